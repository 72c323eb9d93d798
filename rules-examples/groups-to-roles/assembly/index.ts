// Maps the user's groups to roles, in a claim with a name of its own in both tokens.
import { Answer, Event, Node, fail, log, parseJson } from "@vestibule/rule";

const ROLES = "https://example.com/roles";
/** More than this is no role model but a mistake, and a token has to fit a header. */
const MOST_ROLES = 32;

/** The host calls this once for each login. */
export function run(): void {
  rule(Event.read()).send();
}

function rule(event: Event): Answer {
  const map = parseJson(event.configuration.get("GROUP_ROLES").requireString());
  if (!map.isObject) fail('GROUP_ROLES: expected JSON like {"engineering": ["developer"]}');

  const roles = new Array<string>();
  const groups = groupsOf(event).items();
  while (groups.next()) addRoles(roles, map, nameOf(groups.value));
  roles.sort();
  // Set even when empty: a claim of an earlier rule must not outlive the group it came from.
  return Answer.allow().setIdTokenClaim(ROLES, roles).setAccessTokenClaim(ROLES, roles);
}

/** What administrators assigned comes before what the identity provider sent. */
function groupsOf(event: Event): Node {
  const assigned = event.user.get("app_metadata").get("groups");
  return assigned.isArray ? assigned : event.user.get("groups");
}

/** A group is its name, or an object with one, as some directories send it. */
function nameOf(group: Node): string {
  return group.isObject ? group.get("name").asString() : group.asString();
}

/** Adds the roles of a group, each once; unknown groups have none. */
function addRoles(roles: Array<string>, map: Node, group: string): void {
  const mapped = map.get(group).items();
  while (mapped.next()) {
    const role = mapped.value.requireString();
    if (roles.includes(role)) continue;
    if (roles.length == MOST_ROLES) {
      log.warn("more than " + MOST_ROLES.toString() + " roles, `" + role + "` is left out");
      return;
    }
    roles.push(role);
  }
}
