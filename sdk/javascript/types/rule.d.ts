// What an Auth0 Rule finds when it runs in Vestibule. For editors and for rules in TypeScript:
//
//     /// <reference types="@vestibule/rule-types" />
//
// Everything here is global, as it is in a rule.

/** A JSON value. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The profile of who logs in. Changes are seen by later rules; only `auth0.users.update…Metadata` stores. */
interface User {
  /** Never changes. */
  readonly user_id: string;
  email?: string;
  email_verified?: boolean;
  username?: string;
  phone_number?: string;
  phone_verified?: boolean;
  name?: string;
  nickname?: string;
  picture?: string;
  given_name?: string;
  family_name?: string;
  readonly created_at?: string;
  readonly updated_at?: string;
  readonly last_login?: string;
  readonly last_ip?: string;
  readonly last_password_reset?: string;
  readonly logins_count?: number;
  readonly blocked?: boolean;
  readonly multifactor?: string[];
  readonly identities?: Identity[];
  /** Absent when it was never set. */
  app_metadata?: { [key: string]: any };
  /** Absent when it was never set. */
  user_metadata?: { [key: string]: any };
  /** Whatever the identity provider sent, and every key of `app_metadata`. */
  [attribute: string]: any;
}

interface Identity {
  connection: string;
  provider: string;
  user_id: string;
  isSocial: boolean;
  profileData?: { [key: string]: any };
}

/** The login. What is readonly belongs to the host: changes to it are dropped. */
interface Context {
  readonly tenant: string;
  readonly clientID: string;
  readonly clientName: string;
  readonly clientMetadata: { [key: string]: string };
  readonly connection: string;
  readonly connectionID: string;
  readonly connectionStrategy: string;
  readonly connectionOptions: { tenant_domain?: string; domain_aliases?: string[]; [option: string]: any };
  readonly connectionMetadata: { [key: string]: string };
  readonly protocol: Protocol;
  readonly original_protocol?: Protocol;
  readonly stats: { loginsCount: number };
  readonly sso: { with_auth0?: boolean; with_dbconn?: boolean; current_clients: string[] };
  readonly sessionID?: string;
  readonly request: LoginRequest;
  readonly authentication: { methods: { name: string; timestamp: number }[] };
  readonly authorization?: { roles?: string[] };
  readonly organization?: { id: string; name: string; metadata: { [key: string]: string } };
  readonly riskAssessment: RiskAssessment;
  /** Claims of the ID token. */
  idToken: { [claim: string]: any };
  /** Claims of the access token; `scope` replaces what was granted. */
  accessToken: { scope?: string[]; [claim: string]: any };
  samlConfiguration: { [key: string]: any };
  /** Demands a second factor. `none` lifts nothing. */
  multifactor?: { provider: "any" | "guardian" | "google-authenticator" | "duo" | "none"; allowRememberBrowser?: boolean; ignoreCookie?: boolean };
  /** Sends the browser there once all rules ran. */
  redirect?: { url: string };
  /** An identity that is linked to this user already. */
  primaryUser?: string;
  jwtConfiguration?: { lifetimeInSeconds?: number; scopes?: { [scope: string]: string[] } };
  [property: string]: any;
}

type Protocol =
  | "oidc-basic-profile"
  | "oidc-implicit-profile"
  | "oauth2-device-code"
  | "oauth2-resource-owner"
  | "oauth2-resource-owner-jwt-bearer"
  | "oauth2-password"
  | "oauth2-refresh-token"
  | "samlp"
  | "wsfed"
  | "wstrust-usernamemixed"
  | "delegation"
  | "redirect-callback"
  | (string & {});

interface LoginRequest {
  readonly ip: string;
  readonly hostname: string;
  readonly userAgent: string;
  readonly query: { [name: string]: string };
  readonly body: { [name: string]: any };
  readonly geoip: {
    country_code?: string;
    country_code3?: string;
    country_name?: string;
    city_name?: string;
    latitude?: number;
    longitude?: number;
    time_zone?: string;
    continent_code?: string;
    subdivision_code?: string;
    subdivision_name?: string;
  };
}

interface RiskAssessment {
  confidence: Confidence;
  version: string;
  assessments: { [name in "UntrustedIP" | "NewDevice" | "ImpossibleTravel"]: { confidence: Confidence; code: string; details?: { [key: string]: any } } };
}
type Confidence = "low" | "medium" | "high" | "neutral";

/** Ends the rule; the first call counts. An error refuses the login: `unauthorized` for an `UnauthorizedError`, else `access_denied`. */
type Callback = (error?: Error | string | null, user?: User, context?: Context) => void;

/** What a rule's file evaluates to. */
type Rule = (user: User, context: Context, callback: Callback) => void | Promise<void>;

/** The values of the keys that `[capabilities] configuration` names. */
declare const configuration: { readonly [key: string]: string };

/** Refuses a login with the code `unauthorized`. */
declare class UnauthorizedError extends Error {}

/** The user who is logging in, as far as a rule may change what is stored. */
declare const auth0: {
  readonly users: {
    /** Stages first-level keys; `null` deletes one, `{}` deletes all. Stored with the login, or not at all. */
    updateUserMetadata(userId: string, metadata: { [key: string]: any }): Promise<User>;
    updateAppMetadata(userId: string, metadata: { [key: string]: any }): Promise<User>;
  };
  readonly domain: string;
  readonly baseUrl: string;
  readonly accessToken: string;
};

/** Fresh for each login; JSON values put here are seen by its later rules. */
declare const global: { [name: string]: any };
