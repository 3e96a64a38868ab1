import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";
import { readConsoleSchema, renderConsoleSchema } from "../../scripts/write-console-schema.ts";

test("the console's types of the API are those of the routes (run scripts/write-reference-docs.ts)", async () => {
	expect(readConsoleSchema() === (await renderConsoleSchema())).toBe(true);
});

test("every component of Mantine that a page uses has its styles", () => {
	const sources = listProjectFiles([".ts", ".tsx"]).filter((file) => file.startsWith("console/"));
	const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
	const used = sources.flatMap((file) =>
		[...read(file).matchAll(/import \{([^}]*)\} from "@mantine\/core"/g)].flatMap(([, names = ""]) =>
			names.split(",").map((name) => name.replace("type ", "").trim()),
		),
	);
	const styles = (name: string): string => `@mantine/core/styles/${name}.css`;
	const styled = [...new Set(used)].filter((name) => existsSync(path.join(PROJECT_FOLDER, "node_modules", styles(name))));
	expect(styled.length).toBeGreaterThan(10);
	const imported = read("console/frame/component-styles.ts");
	expect(styled.filter((name) => !imported.includes(`"${styles(name)}"`))).toEqual([]);
});
