import { BaseSequencer, type TestSpecification } from "vitest/node";

type File = { readonly project: string };

/**
 * Files of the projects that wait for servers, those of each project spread over all of them, and the others behind: some keep a processor busy (a
 * browser, the whole system), some wait for half a minute until a worker counts as dead. Side by side they take the time that one of them would;
 * short files at the end leave no worker alone with a long one. The order within a project stays.
 */
export function spreadProjects<Spread extends File>(files: readonly Spread[], slow: ReadonlySet<string>): Spread[] {
	const byProject = Map.groupBy(files, ({ project }) => project);
	const placed = [...byProject].flatMap(([project, members]) =>
		members.map((file, index) => ({ file, place: (slow.has(project) ? 0 : 1) + (index + 0.5) / members.length })),
	);
	return placed.sort((one, other) => one.place - other.place).map(({ file }) => file);
}

/** vitest's own order, larger files first, without running one project after the other. */
export function spreadingSequencer(slow: ReadonlySet<string>): typeof BaseSequencer {
	return class extends BaseSequencer {
		override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
			const sorted = (await super.sort(files)).map((specification) => ({ specification, project: specification.project.name }));
			return spreadProjects(sorted, slow).map(({ specification }) => specification);
		}
	};
}
