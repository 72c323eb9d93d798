// `axios`: the real one, with an adapter that goes over the granted HTTP capability.

const axios = require("axios/lib/axios.js");
const AxiosError = require("axios/lib/core/AxiosError.js");
const CanceledError = require("axios/lib/cancel/CanceledError.js");
const buildFullPath = require("axios/lib/core/buildFullPath.js");
const buildURL = require("axios/lib/helpers/buildURL.js");
const settle = require("axios/lib/core/settle.js");
const { addressOf, basic, exchange, sooner, textOf } = require("vestibule:exchange");

axios.defaults.adapter = (config) =>
  new Promise((resolve, reject) => {
    const headers = { ...config.headers };
    if (config.auth) headers.Authorization = basic(config.auth.username, config.auth.password);
    if (config.data === undefined || config.data === null) {
      for (const name of Object.keys(headers)) if (name.toLowerCase() === "content-type") delete headers[name];
    }
    const url = buildURL(addressOf(buildFullPath(config.baseURL, config.url)), config.params, config.paramsSerializer);
    const { cancelToken, signal } = config;
    const timeout = sooner(config.timeout, signal?.timeout);
    const request = { method: config.method, url, headers, body: config.data, timeout, follow: config.maxRedirects !== 0 };
    cancelToken?.subscribe(reject);
    signal?.addEventListener?.("abort", () => reject(new CanceledError()));
    exchange(request, (error, received) => {
      if (error?.code === "ETIMEDOUT" && signal?.timeout > 0 && timeout === signal.timeout) {
        reject(new CanceledError());
      } else if (error) {
        const message = error.code === "ETIMEDOUT" ? `timeout of ${config.timeout}ms exceeded` : error.message;
        reject(new AxiosError(message, error.code === "ETIMEDOUT" ? "ECONNABORTED" : error.code, config, request));
      } else {
        const data = config.responseType === "arraybuffer" ? received.body : textOf(received.body);
        settle(resolve, reject, { data, status: received.status, statusText: received.statusText, headers: received.headers, config, request });
      }
    });
  });

module.exports = axios;
module.exports.default = axios;
