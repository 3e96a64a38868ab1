import { TestWorkflowEnvironment } from "@temporalio/testing";

// Run by temporal-binary.ts as a process of its own: the SDK downloads and starts the server in one uninterruptible call.
// Its argument is the folder the binary goes to.
try {
	const downloadDir = process.argv[2] ?? "";
	const server = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: "cached-download", downloadDir }, ip: "127.0.0.1" } });
	await server.teardown();
} catch (error) {
	process.stderr.write(`${describeCauses(error)}\n`);
	process.exitCode = 1;
}

function describeCauses(error: unknown): string {
	const text = error instanceof Error ? error.message : String(error);
	return (error instanceof Error && error.cause !== undefined ? `${text}: ${describeCauses(error.cause)}` : text).replaceAll("\n", " ");
}
