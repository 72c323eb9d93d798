// Makes `dist/`: the prelude, one script for each module that rules can require, and the table of them.
//
// Running a rule needs none of Node: these files are shipped beside the command.

import { build } from "esbuild";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { actionMembers, impossible, impossibleGlobals, mentions, modules, refusedActions, refusedAlgorithms, refusedManagement, refusedMethods } from "./modules.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.argv[2] ?? join(here, "dist");

/** QuickJS speaks all of it; what is lowered for nothing only costs. */
const common = { bundle: true, platform: "neutral", target: "es2022", charset: "utf8", legalComments: "none", logLevel: "warning", minify: true, keepNames: false };

rmSync(dist, { recursive: true, force: true });
mkdirSync(join(dist, "modules"), { recursive: true });

await build({
  ...common,
  entryPoints: [join(here, "src/prelude/index.js")],
  outfile: join(dist, "prelude.js"),
  format: "iife",
});

// Every module knows its own: what it needs of the others stays outside its bundle.
const owner = new Map();
for (const [name, entry] of Object.entries(modules)) {
  for (const known of [name, ...(entry.aliases ?? [])]) owner.set(known, name);
}

const table = { modules: {}, globals: {}, impossible, impossibleGlobals, refusedManagement, refusedMethods, refusedAlgorithms, refusedActions, actionMembers, mentions };
const direct = new Map();
/** The npm packages that bundles hold. */
const packages = new Set();

for (const [name, entry] of Object.entries(modules)) {
  const needs = new Set();
  const outside = {
    name: "outside",
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, kind }) => {
        if (kind === "entry-point") return undefined;
        const asked = path.replace(/^node:/, "").replace(/\/$/, "");
        if (entry.replace?.[asked] !== undefined) return { path: join(here, "src/modules", entry.replace[asked]) };
        if (asked === "vestibule:internals") return { path: asked, external: true };
        const other = owner.get(asked);
        if (other === undefined || other === name) return undefined;
        needs.add(other);
        return { path: asked, external: true };
      });
    },
  };
  const file = `modules/${name.replace(/^@/, "").replaceAll("/", "-").replaceAll(":", "-")}.js`;
  const names = JSON.stringify([name, ...(entry.aliases ?? [])]);
  const { metafile } = await build({
    ...common,
    metafile: true,
    stdin: { contents: entry.source ?? `module.exports = require(${JSON.stringify(`./src/modules/${entry.file}`)});`, resolveDir: here, sourcefile: `${name}.entry.js` },
    outfile: join(dist, file),
    format: "cjs",
    mainFields: entry.browser ? ["browser", "main"] : ["main", "module"],
    plugins: [outside],
    banner: { js: `__vestibuleModule(${names},${JSON.stringify(entry.globals ?? {})},function(module,exports,require){` },
    footer: { js: "});" },
  });
  for (const input of Object.keys(metafile.inputs)) packages.add(/^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]);
  direct.set(name, [...needs]);
  table.modules[name] = { file, needs: [], aliases: entry.aliases ?? [], http: entry.http === true, warning: entry.warning, bytes: statSync(join(dist, file)).size };
  for (const global of Object.keys(entry.globals ?? {})) table.globals[global] = name;
}

// What a module needs, in the order in which it has to be there.
for (const [name, entry] of Object.entries(table.modules)) {
  const order = [];
  const visit = (wanted) => {
    for (const need of direct.get(wanted)) {
      visit(need);
      if (!order.includes(need)) order.push(need);
    }
  };
  visit(name);
  entry.needs = order;
  entry.http ||= order.some((need) => table.modules[need].http);
}

/** The licence texts that have to travel with the bundles. */
function licences() {
  const texts = [...packages].filter(Boolean).sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    const text = file !== undefined && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : `Licensed under ${license}.`;
    return `== ${name} ${version}\n\n${text.replace(/\r/g, "")}\n`;
  });
  return `The modules that JavaScript rules can require are built from these npm packages.\n\n${texts.join("\n")}`;
}
writeFileSync(join(dist, "LICENCES.txt"), licences());
writeFileSync(join(dist, "modules.json"), `${JSON.stringify(table, null, 1)}\n`);
console.log(`built ${Object.keys(table.modules).length} modules and the prelude (${statSync(join(dist, "prelude.js")).size} bytes) → ${dist}`);
