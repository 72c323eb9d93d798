// What a post-login Action finds when it runs in Vestibule. Methods that only make sense in Auth0's cloud are absent here,
// and refused at build.

/** What an Action reads; writing to it changes nothing. */
interface Event {
  readonly authentication: { methods: { name: string; timestamp: string }[]; riskAssessment?: RiskAssessment };
  readonly authorization: { roles: string[] };
  readonly client: { client_id: string; name: string; metadata: { [key: string]: string } };
  readonly connection: { id: string; name: string; strategy: string; metadata: { [key: string]: string } };
  readonly organization?: { id: string; name: string; metadata: { [key: string]: string } };
  readonly request: {
    ip: string;
    method: string;
    query: { [name: string]: string };
    body: { [name: string]: any };
    geoip: { cityName?: string; continentCode?: string; countryCode?: string; countryCode3?: string; countryName?: string; latitude?: number; longitude?: number; timeZone?: string };
    hostname?: string;
    language?: string;
    user_agent?: string;
  };
  readonly resource_server?: { identifier: string };
  readonly secrets: { readonly [key: string]: string };
  readonly session?: { id: string; user_id: string };
  readonly stats: { logins_count: number };
  readonly tenant: { id: string };
  readonly transaction: {
    acr_values: string[];
    locale: string;
    login_hint?: string;
    metadata: { [key: string]: string | number | boolean };
    prompt: string[];
    protocol: Protocol;
    redirect_uri?: string;
    requested_scopes: string[];
    response_mode?: string;
    response_type: string[];
    state?: string;
    ui_locales: string[];
  };
  readonly user: User & { app_metadata: { [key: string]: any }; user_metadata: { [key: string]: any } };
}

/** What an Action asks for. */
interface Api {
  readonly access: { deny(reason: string): void };
  readonly validation: { error(code: string, message: string): void };
  readonly idToken: { setCustomClaim(name: string, value: Json): void };
  readonly accessToken: { setCustomClaim(name: string, value: Json): void; addScope(scope: string): void; removeScope(scope: string): void };
  readonly user: { setAppMetadata(key: string, value: Json): Api; setUserMetadata(key: string, value: Json): Api };
  readonly multifactor: { enable(provider: string, options?: { allowRememberBrowser?: boolean }): void };
  readonly authentication: {
    challengeWith(factor: object, options?: object): void;
    challengeWithAny(factors: object[]): void;
    enrollWith(factor: object, options?: object): void;
    enrollWithAny(factors: object[]): void;
    setPrimaryUser(userId: string): void;
  };
  readonly transaction: { setMetadata(key: string, value: string | number | boolean): void };
  readonly redirect: {
    canRedirect(): boolean;
    sendUserTo(url: string, options?: { query?: { [name: string]: string } }): void;
    encodeToken(options: { secret: string; payload: object; expiresInSeconds?: number }): string;
    validateToken(options: { secret: string; tokenParameterName?: string }): { [claim: string]: any };
  };
}

declare const exports: {
  onExecutePostLogin?: (event: Event, api: Api) => Promise<void> | void;
  /** Runs in the same login on the way back from a redirect that this Action asked for. */
  onContinuePostLogin?: (event: Event, api: Api) => Promise<void> | void;
};
