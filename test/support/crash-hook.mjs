// Loaded into a gateway process (NODE_OPTIONS), as crash-hook.mjs?NAME:N: SIGKILL, as a crash would, when the crash point NAME is passed
// for the N-th time. The product itself can do no such thing: its crash points are empty.
import { registerHooks } from "node:module";

const FILE = "/activities/process/crash-point.ts";
const STATED = "export function crashPoint(_name: string): void {}";
const [, wanted, pass] = /^\?([a-z-]+):(\d+)$/.exec(new URL(import.meta.url).search) ?? [];
if (wanted === undefined) throw new Error("crash-hook.mjs needs a point and a pass, like ?after-send:2");
const ARMED = `let left = ${pass};
export function crashPoint(name: string): void {
	if (name === "${wanted}" && --left === 0) process.kill(process.pid, "SIGKILL");
}`;

registerHooks({
	load(url, context, nextLoad) {
		const loaded = nextLoad(url, context);
		if (!url.endsWith(FILE)) return loaded;
		const source = String(loaded.source);
		if (!source.includes(STATED) || !source.includes(`"${wanted}"`)) throw new Error(`${FILE} does not say "${STATED}" any more, or has no point ${wanted}`);
		return { ...loaded, source: source.replace(STATED, ARMED) };
	},
});
