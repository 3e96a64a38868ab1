import { parser, plugin } from "typescript-eslint";

// Only what needs types; Biome does the rest. A promise nobody waits for is here a ledger write nobody waits for.
export default [
	{ ignores: ["node_modules/", ".tollgate/", "console/dist/"] },
	{
		files: ["**/*.ts", "**/*.tsx"],
		languageOptions: { parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
		plugins: { "@typescript-eslint": plugin },
		rules: {
			"@typescript-eslint/no-floating-promises": "error",
			"@typescript-eslint/no-misused-promises": "error",
			"@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
			"@typescript-eslint/await-thenable": "error",
		},
	},
];
