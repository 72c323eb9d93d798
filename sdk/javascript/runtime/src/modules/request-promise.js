// `request-promise` 4: `request` whose calls are promises; what is not 2xx rejects.

const request = require("request");

class RequestError extends Error {
  constructor(cause, options, response) {
    super(String(cause));
    Object.assign(this, { name: "RequestError", cause, error: cause, options, response });
  }
}

class StatusCodeError extends Error {
  constructor(statusCode, body, options, response) {
    super(`${statusCode} - ${JSON.stringify(body)}`);
    Object.assign(this, { name: "StatusCodeError", statusCode, error: body, options, response });
  }
}

function promised(started, options) {
  const promise = new Promise((resolve, reject) => {
    started.promised = true;
    const callback = started.callback;
    started.callback = (error, response, body) => {
      if (callback) callback(error, response, body);
      if (error) {
        reject(new RequestError(error, options, response));
      } else if (options.simple !== false && Math.floor(response.statusCode / 100) !== 2) {
        reject(new StatusCodeError(response.statusCode, body, options, response));
      } else {
        const plain = options.resolveWithFullResponse ? response : body;
        resolve(typeof options.transform === "function" ? options.transform(body, response, options.resolveWithFullResponse) : plain);
      }
    };
  });
  started.promise = () => promise;
  for (const name of ["then", "catch", "finally"]) started[name] = (...handlers) => promise[name](...handlers);
  return started;
}

function client(base) {
  const wrap = (call) => (uri, options, callback) => {
    const started = call(uri, options, callback);
    return promised(started, started.options);
  };
  const wrapped = wrap(base);
  for (const verb of ["get", "head", "options", "post", "put", "patch", "del", "delete"]) wrapped[verb] = wrap(base[verb]);
  wrapped.defaults = (options) => client(base.defaults(options));
  wrapped.jar = base.jar;
  return wrapped;
}

module.exports = client(request);
module.exports.errors = { RequestError, StatusCodeError };
