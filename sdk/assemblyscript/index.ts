// The package's entry: `import { … } from "@vestibule/rule"`. The compiler looks for this file at the package's root.
export * from "./assembly/index";
