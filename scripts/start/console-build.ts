import { spawn } from "node:child_process";

const LINES_TOLD = 6;

export type ConsoleBuild = {
	/** Settles when it is over, however it ended. */
	readonly ended: Promise<void>;
	stop(): Promise<void>;
};

/**
 * Builds the console beside everything else, in a process of its own; nothing waits for it and nothing depends on it. A build that
 * fails is told through `say`, and whatever was built before goes on being served.
 */
export function startConsoleBuild(script: string, say: (line: string) => void): ConsoleBuild {
	const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] });
	let output = "";
	let isStopping = false;
	for (const stream of [child.stdout, child.stderr])
		stream.on("data", (chunk: Buffer) => {
			output = (output + chunk.toString()).slice(-4_000);
		});
	const ended = new Promise<void>((resolve) => {
		const fail = (how: string): void => {
			if (!isStopping) say(describeFailure(how, output));
			resolve();
		};
		child.once("error", (error) => fail(error.message));
		child.once("close", (code, signal) => (code === 0 ? resolve() : fail(signal ?? `exit code ${code}`)));
	});
	return {
		ended,
		stop() {
			isStopping = true;
			child.kill("SIGTERM");
			return ended;
		},
	};
}

function describeFailure(how: string, output: string): string {
	const lines = output.trim().split("\n").slice(-LINES_TOLD);
	return ["The console was not built and everything else goes on; `npm run build:console` tries again.", `  ${how}`, ...lines.map((line) => `  ${line}`)].join(
		"\n",
	);
}
