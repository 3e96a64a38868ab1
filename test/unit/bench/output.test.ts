import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { loadBetween, parseCores } from "../../../bench/machine/cpu.ts";
import { drawFlameGraph } from "../../../bench/output/flame-graph.ts";
import { readMachineSheet, readVersions } from "../../../bench/output/machine-sheet.ts";
import { describeSides } from "../../../bench/output/side-report.ts";
import { drawPlot } from "../../../bench/output/svg.ts";
import { textTable } from "../../../bench/output/text-table.ts";

describe("plots", () => {
	const svg = drawPlot({
		title: "a < b & c",
		xTitle: "x",
		yTitle: "ms",
		xMarks: [[1, "50"]],
		series: [
			{
				name: "ours",
				points: [
					[1, 1],
					[2, 10],
					[3, 0],
				],
			},
			{ name: "theirs", points: [[1, 100]], isVoid: true },
		],
	});

	test("say what they show, escaped, and mark what is void", () => {
		expect(svg).toContain("a &lt; b &amp; c");
		expect(svg).toContain("theirs (void)");
		expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
	});

	test("put larger values higher and leave out what a logarithm cannot show", () => {
		const points =
			/points="([^"]*)"/
				.exec(svg)?.[1]
				?.split(" ")
				.map((pair) => Number(pair.split(",")[1])) ?? [];
		expect(points).toHaveLength(2);
		expect(points[1]).toBeLessThan(points[0] ?? 0);
	});

	test("a plot without points is still a picture", () => {
		expect(drawPlot({ title: "", xTitle: "", yTitle: "", xMarks: [], series: [] })).toMatch(/^<svg .*<\/svg>\n$/s);
	});
});

describe("a flame graph", () => {
	const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 1 });
	const profile = {
		nodes: [
			{ id: 1, callFrame: frame("(root)"), children: [2, 4] },
			{ id: 2, callFrame: frame("serve", "file:///x/gateway/routes/model-calls.ts"), children: [3] },
			{ id: 3, callFrame: frame("a<b") },
			{ id: 4, callFrame: frame("(idle)") },
		],
		startTime: 0,
		samples: [3, 2, 4, 3, 3],
		timeDeltas: [100, 300, 500, 100, 1_000],
	};
	const svg = drawFlameGraph(profile, { fromUs: 0, toUs: 1_000 });

	test("says what share of the busy time each frame had, what it called included", () => {
		expect(svg.match(/<title>[^<]*<\/title>/g)).toEqual([
			"<title>all: 100.0 %</title>",
			"<title>serve routes/model-calls.ts:2: 100.0 %</title>",
			"<title>a&lt;b: 40.0 %</title>",
		]);
	});

	test("draws what was called above its caller, as wide as its share", () => {
		const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)].map(([, x, y, width]) => ({
			x: Number(x),
			y: Number(y),
			width: Number(width),
		}));
		expect(boxes.map(({ x, width }) => [x, Math.round(width)])).toEqual([
			[0, 1_200],
			[0, 1_200],
			[0, 480],
		]);
		expect(boxes[2]?.y).toBeLessThan(boxes[1]?.y ?? 0);
	});

	test("of a profile without samples is still a picture", () => {
		expect(drawFlameGraph({ ...profile, samples: [], timeDeltas: [] }, { fromUs: 0, toUs: 1 })).toMatch(/^<svg .*<\/svg>\n$/s);
	});
});

test("tables line their columns up", () => {
	expect(
		textTable(
			["lane", "ms"],
			[
				["a", "10.5"],
				["longer", "1"],
			],
		),
	).toEqual(["lane      ms", "------  ----", "a       10.5", "longer     1"]);
});

describe("machine", () => {
	test("core times are read per core, and what idles is not busy", () => {
		const stat = (busy: number) => `cpu  1 1 1 1\ncpu0 ${busy} 0 0 100 0 0 0 ${busy} 0 0\ncpu1 0 0 ${busy} ${200 - busy} 50 0 0 0 0 0\nintr 5\n`;
		const [before, after] = [parseCores(stat(0)), parseCores(stat(40))];
		expect(before).toHaveLength(2);
		const [start, end] = [
			{ cores: before, gatewayNs: 0n, awakeNs: [0n, 0n], atNs: 0n },
			{ cores: after, gatewayNs: 250_000_000n, awakeNs: [0n, 0n], atNs: 1_000_000_000n },
		];
		const load = loadBetween(start, end);
		expect(load.stolenTicks).toBe(40);
		expect(load.core0Foreign).toBeCloseTo(0.75);
		expect(load.gatewayNs).toBe(250_000_000n);
	});

	test("time in which a core was only kept awake is as good as idle", () => {
		const stat = (user: number) => parseCores(`cpu0 ${user} 0 0 0 0 0 0 0 0 0\ncpu1 ${user} 0 0 0 0 0 0 0 0 0\n`);
		const load = loadBetween(
			{ cores: stat(0), gatewayNs: 0n, awakeNs: [0n, 10n], atNs: 0n },
			{ cores: stat(100), gatewayNs: 200_000_000n, awakeNs: [700_000_000n, 600_000_010n], atNs: 1_000_000_000n },
		);
		expect(load.core1Busy).toBeCloseTo(0.4);
		expect(load.core0Foreign).toBeCloseTo(0.1);
	});

	test("the sheet names no machine and no path", () => {
		const sheet = JSON.stringify(readMachineSheet());
		expect(sheet).not.toContain(hostname());
		expect(sheet).not.toMatch(/\/(home|root|tmp|Users)\b/);
	});

	test("versions are those of the lock file", () => {
		const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as { dependencies: Record<string, string> };
		expect(readVersions(["undici"])).toEqual({ undici: dependencies["undici"] });
	});
});

describe("frontiers and concurrent streams", () => {
	const rungs = [{ ratePerSecond: 500, addedP99Ms: 2, failed: 0, isVoid: false }];

	test("are told by lane, with the bounds that hold", () => {
		const lines = describeSides({
			frontiers: [{ lane: "governed", rungs }],
			concurrentStreams: [{ lane: "governed", streams: 64, right: 64, isVoid: false }],
		});
		expect(lines.filter((line) => line.startsWith("governed")).map((line) => line.split(/\s+/).filter((cell) => cell !== ""))).toEqual([
			["governed", "0", "500", "500", "500", "500"],
			["governed", "64"],
		]);
	});

	test("are not mentioned where they were not measured", () => {
		expect(describeSides({ frontiers: [], concurrentStreams: [] })).toEqual([]);
	});
});
