import { expect, test } from "vitest";
import { spreadProjects } from "#test/support/file-order.ts";

const filesOf = (project: string, count: number) => Array.from({ length: count }, (_, index) => ({ project, name: `${project}-${index + 1}` }));

test("files of slow projects are spread over each other, those of fast ones come last, and none is lost", () => {
	const files = [...filesOf("console", 2), ...filesOf("integration", 4), ...filesOf("property", 1), ...filesOf("unit", 3)];
	const names = spreadProjects(files, new Set(["console", "integration"])).map(({ name }) => name);
	expect(names).toEqual([
		...["integration-1", "console-1", "integration-2", "integration-3", "console-2", "integration-4"],
		...["unit-1", "property-1", "unit-2", "unit-3"],
	]);
});

test("the order of one project stays", () => {
	expect(spreadProjects(filesOf("unit", 5), new Set())).toEqual(filesOf("unit", 5));
});
