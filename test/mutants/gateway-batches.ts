import type { Mutant } from "./mutant.ts";

/** Rules of the routes of files and batches: what is kept and held, and for whom. */
const CREATE = "gateway/batches/create-batch.ts";
const OPENAI = "test/gateway/batches-openai.test.ts";
const BAD_INPUT = "test/gateway/batches-bad-input.test.ts";
const LIMITS = "test/gateway/batches-limits.test.ts";
const LEAVING = "test/gateway/batches-leaving.test.ts";
const MODELS = "models without a price, without one for batches, and not the key's";

export const GATEWAY_BATCH_MUTANTS: readonly Mutant[] = [
	{
		rule: "a caller's batch is resubmitted only where the policy of its key says so",
		file: CREATE,
		from: "mayResubmit: resubmitsBatches,",
		to: "mayResubmit: resubmitsBatches || true,",
		test: OPENAI,
		titles: ["a batch takes the rules of its key, and no other"],
	},
	{
		rule: "a caller's batch goes in real time only where the policy of its key says so",
		file: CREATE,
		from: "mayRelane: relanesBatches }",
		to: "mayRelane: relanesBatches || true }",
		test: OPENAI,
		titles: ["a batch takes the rules of its key, and no other"],
	},
	{
		rule: "a caller's batch that may go in real time holds what that costs",
		file: CREATE,
		from: "mayGoRealTime: callerRules(key).mayRelane,",
		to: "mayGoRealTime: false,",
		test: OPENAI,
		titles: ["a batch that may go in real time holds what that costs, and is refused where only the price of batches is left"],
	},
	{
		rule: "a batch that is not held is undone",
		file: CREATE,
		from: "		if (!isHeld) await abandon(making, wanted);\n",
		to: "",
		test: OPENAI,
		titles: ["too little: 402 as for a call, found in the books by its id, nothing held and no batch kept"],
	},
	{
		rule: "a batch asks for a model of its key",
		file: CREATE,
		from: " ?? refuseModel(model, key.models)",
		to: "",
		test: BAD_INPUT,
		titles: [MODELS],
	},
	{
		rule: "a batch asks for an endpoint of its key",
		file: CREATE,
		from: "endpoints === null || endpoints.includes(endpoint)",
		to: "endpoints === null || endpoints.length > 0",
		test: BAD_INPUT,
		titles: [MODELS],
	},
	{
		rule: "a policy engine may deny a batch",
		file: CREATE,
		from: '	if (denied !== undefined) return { kind: "rejected", problem: denied };\n',
		to: "",
		test: LIMITS,
		titles: ["a policy engine is asked once for all of a batch, and what it denies is not held"],
	},
	{
		rule: "a caller who has left waits for no money",
		file: "gateway/batches/patience.ts",
		from: "		if (leaving.hasLeft) leave();\n		else leaving.onLeave(leave);\n",
		to: "",
		test: LEAVING,
		titles: ["while a batch waits for money: no later ask, no batch, no money"],
	},
	{
		rule: "a key whose every call belongs to a run makes no batch",
		file: "gateway/batches/answering.ts",
		from: "	if (key.requiresRun === true)\n		return",
		to: "	if (key.requiresRun === undefined && key.keyId === undefined)\n		return",
		test: BAD_INPUT,
		titles: ["a key whose every call belongs to a run makes no batch"],
	},
	{
		rule: "a batch that was never held is shown to nobody",
		file: "gateway/batches/find-batch.ts",
		from: ' && state !== "collecting"',
		to: "",
		test: OPENAI,
		titles: ["batches are listed newest first, page by page, and none of another protocol or team"],
	},
	{
		rule: "an upload that is over gives its place back",
		file: "gateway/batches/places.ts",
		from: "				busy -= 1;\n",
		to: "",
		test: LIMITS,
		titles: ["further uploads are refused with 503 while as many are worked on as may be, and places come back"],
		redBy: "as many batches as it may at once",
	},
	{
		rule: "a file whose form turns out wrong behind it is not kept",
		file: "gateway/batches/upload-file.ts",
		from: "	if (problems.length > 0) refusing.refuse(invalidFields(problems));\n",
		to: "",
		test: BAD_INPUT,
		titles: ["an empty file, and one of another purpose, are refused"],
	},
	{
		rule: "requests of a message batch that is not made are not kept",
		file: "gateway/routes/message-batches.ts",
		from: "		if (!isMade) await removeFile(call, { fileId: file?.fileId, blobKey });\n",
		to: "",
		test: "test/gateway/batches-anthropic.test.ts",
		titles: ["too little money: 402 in the protocol's shape, and neither a batch nor its requests are kept"],
	},
	{
		rule: "an upload has more than the time of a request",
		file: "gateway/server-options.ts",
		from: "	if (isLate && hasOwnTime(socket)) return;\n",
		to: "",
		test: "test/gateway/batches-slow.test.ts",
		titles: ["a file may take longer than a request, as long as something of it comes"],
	},
	{
		rule: "an upload of which nothing comes is not waited for",
		file: "gateway/batches/upload-watch.ts",
		from: "return setTimeout(() => this.#expire(), this",
		to: "return setTimeout(() => undefined, this",
		test: "test/gateway/batches-slow.test.ts",
		titles: ["a file that nothing comes of any more is answered with 408, and nothing of it is kept"],
		redBy: "timed out",
	},
	{
		rule: "a batch that a cap refuses is in the books",
		file: "gateway/batches/create-batch.ts",
		from: "	for (const refusal of passed.values()) pipeline.authority.recordLimitRefusal(refusal);\n",
		to: "	void pipeline;\n",
		test: "test/gateway/batches-limits.test.ts",
		titles: ["a cap of the team holds for every item of a batch"],
	},
];
