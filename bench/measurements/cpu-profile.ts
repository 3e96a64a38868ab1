/** The parts of a V8 CPU profile (Chrome DevTools protocol, Profiler.Profile) that are read here. Times in microseconds. */
export type CpuProfile = {
	readonly nodes: readonly {
		readonly id: number;
		readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
		readonly children?: readonly number[];
	}[];
	readonly startTime: number;
	readonly samples: readonly number[];
	readonly timeDeltas: readonly number[];
};

export type Share = { readonly name: string; readonly share: number };

export type ProfileSummary = {
	/** Where time went, by part of the system; idle is left out of all shares. */
	readonly areas: readonly Share[];
	/** Functions by the time spent in themselves, most first. */
	readonly functions: readonly Share[];
};

const FUNCTIONS_TOLD = 30;

/** Sums self time between two instants on the profile's clock, which is that of process.hrtime. */
export function summarizeProfile(profile: CpuProfile, span: { readonly fromUs: number; readonly toUs: number }): ProfileSummary {
	const selfUs = new Map<number, number>();
	let atUs = profile.startTime;
	for (const [index, id] of profile.samples.entries()) {
		const deltaUs = profile.timeDeltas[index] ?? 0;
		atUs += deltaUs;
		if (atUs >= span.fromUs && atUs <= span.toUs) selfUs.set(id, (selfUs.get(id) ?? 0) + deltaUs);
	}
	const areas = new Map<string, number>();
	const functions = new Map<string, number>();
	let busyUs = 0;
	for (const { id, callFrame } of profile.nodes) {
		const us = selfUs.get(id) ?? 0;
		if (us === 0 || callFrame.functionName === "(idle)") continue;
		busyUs += us;
		add(areas, areaOf(callFrame), us);
		add(functions, frameName(callFrame), us);
	}
	return { areas: sharesOf(areas, busyUs), functions: sharesOf(functions, busyUs).slice(0, FUNCTIONS_TOLD) };
}

type Frame = CpuProfile["nodes"][number]["callFrame"];

/** Ours by folder and file, packages by name, Node's modules by theirs, the engine by what it does. */
function areaOf({ functionName, url }: Frame): string {
	if (url.startsWith("node:")) return `node:${url.slice(5).split("/").slice(0, 2).join("/")}`;
	const ours = /\/(gateway|activities|domain|config)\/(?!.*node_modules)([^/]+)/.exec(url);
	const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
	if (inPackage?.[1] !== undefined) return inPackage[1];
	if (ours) return `${ours[1]}/${ours[2]}`;
	return functionName.startsWith("(") ? functionName : "native";
}

/** The function with its place, the file with the folder it is in. */
export function frameName({ functionName, url, lineNumber }: Frame): string {
	const file = url.startsWith("node:") ? url : url.split("/").slice(-2).join("/");
	return file === "" ? functionName || "(anonymous)" : `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`;
}

function add(sums: Map<string, number>, name: string, us: number): void {
	sums.set(name, (sums.get(name) ?? 0) + us);
}

function sharesOf(sums: ReadonlyMap<string, number>, total: number): Share[] {
	return [...sums].map(([name, us]) => ({ name, share: us / total })).sort((left, right) => right.share - left.share);
}
