/// <reference path="./rule.d.ts" />
/// <reference path="./action.d.ts" />
/// <reference path="./environment.d.ts" />
