import type { Trace } from "./trace.ts";
import { filePath, hex, momentAt, noun, paragraph, SUBJECTS, sentence, uuid } from "./words.ts";

/** Writes a run that gets somewhere and looks like a loop. */
export type LegitimateScript = (trace: Trace) => void;

const pagination: LegitimateScript = (trace) => {
	const { random } = trace;
	const pages = random.integer(8, 40);
	const size = random.integer(1, 20);
	const style = random.integer(0, 4);
	let cursor = "";
	for (let page = 1; page <= pages; page += 1) {
		const first = (page - 1) * size;
		const ids = Array.from({ length: size }, (_, index) => first + index + 1);
		if (style === 0) trace.add("list_orders", { page, per_page: size }, JSON.stringify({ page, orders: ids.map((id) => ({ id, state: "open" })) }));
		else if (style === 1) {
			const next = hex(random, 24);
			trace.add("list_users", cursor === "" ? {} : { cursor }, JSON.stringify({ users: ids.map(() => uuid(random)), next }));
			cursor = next;
		} else if (style === 2)
			trace.add("search_log", { query: "error", offset: first, limit: size }, ids.map((id) => `line ${id}: ${sentence(random)}`).join("\n"));
		else if (style === 3) trace.add("next_page", {}, `page ${page} of ${pages}: ${size} rows`);
		else trace.add("get_events", { page }, JSON.stringify(ids.map((id) => momentAt(id * 3).toISOString())));
	}
};

/** A job that goes on: its state changes, sometimes only after a while. */
const polling: LegitimateScript = (trace) => {
	const { random } = trace;
	const job = `job-${random.integer(100, 9_999)}`;
	const polls = random.integer(8, 45);
	const style = random.integer(0, 6);
	const phases = ["queued", "starting", "fetching", "building", "testing", "packaging", "uploading", "verifying", "finishing"];
	let phase = 0;
	let waited = 0;
	const log: string[] = [];
	for (let poll = 0; poll < polls; poll += 1) {
		waited += 1;
		if (waited > random.integer(1, 6)) [phase, waited] = [phase + 1, 0];
		if (phase === phases.length) break;
		if (style === 0) trace.add("get_job_status", { job }, JSON.stringify({ job, status: "running", progress: `${Math.floor((poll * 100) / polls)}%` }));
		else if (style === 1)
			trace.add("check_build", { id: job }, JSON.stringify({ id: job, status: phases[phase], owner: "ci", region: "north", image: "base", retries: 0 }));
		else if (style === 2) {
			trace.add("sleep", { seconds: 30 }, "done");
			trace.add("get_job_status", { job }, phases[phase] ?? "done");
		} else if (style === 3)
			trace.add("bash", { command: `kubectl get pods -l app=${job}` }, `ready ${Math.floor(poll / 3)}/${Math.ceil(polls / 3)} restarts 0`);
		else if (style === 4) {
			const jobs = JSON.stringify({ status: phases[phase], since: momentAt(poll).toISOString() });
			trace.add("check_deploy", { id: job, region: "north" }, jobs);
			trace.add(
				"check_deploy",
				{ id: job, region: "south" },
				JSON.stringify({ status: phases[Math.max(0, phase - 1)], since: momentAt(poll + 1).toISOString() }),
			);
		} else if (style === 5) trace.add("wait_for_report", { report: job }, `[${"#".repeat(poll)}${".".repeat(polls - poll)}]`);
		else {
			log.push(`step ${poll + 1}: ${sentence(random)}`);
			trace.add("job_log", { job }, log.slice(-5).join("\n"));
		}
	}
	trace.add("get_job_status", { job }, JSON.stringify({ job, status: "succeeded" }));
};

/** Tools that fail a few times, as networks do, and then work. */
const retryThatSucceeds: LegitimateScript = (trace) => {
	const { random } = trace;
	const items = random.integer(4, 10);
	const failure = random.pick(["503 Service Unavailable", "connection reset by peer", "429 Too Many Requests, retry after 2 s", "deadlock detected"]);
	for (let item = 1; item <= items; item += 1) {
		const args = { url: `https://api.example.com/${noun(random)}/${item}`, method: "GET" };
		const failures = random.share() < 0.5 ? 0 : random.integer(1, 7);
		for (let attempt = 0; attempt < failures; attempt += 1) trace.add("http_request", args, failure, { isError: true });
		trace.add("http_request", args, paragraph(random, random.integer(1, 4)));
	}
};

/** Tests that fail less with every change; sometimes a change brings nothing yet. */
const testFix: LegitimateScript = (trace) => {
	const { random } = trace;
	let failing = random.integer(5, 14);
	const path = filePath(random, 1);
	const isError = random.share() < 0.5;
	const total = failing + random.integer(20, 90);
	while (failing > 0) {
		const edit = { path: random.share() < 0.5 ? path : filePath(random, 2), old_text: sentence(random), new_text: sentence(random) };
		trace.add("edit_file", edit, random.pick(["The file was updated.", "ok", `Replaced 1 occurrence in ${edit.path}`]));
		if (random.share() < 0.3) trace.add("read_file", { path }, paragraph(random, 3));
		if (random.share() < 0.6) failing -= random.integer(1, 2);
		const left = Math.max(0, failing);
		trace.add("run_tests", {}, `Tests: ${left} failed, ${total - left} passed, ${total} total\nTime: ${random.integer(1, 9)}.${random.integer(100, 999)} s`, {
			isError: isError && left > 0,
		});
	}
};

const mapOverFiles: LegitimateScript = (trace) => {
	const { random } = trace;
	const files = random.integer(12, 60);
	const style = random.integer(0, 4);
	for (let index = 1; index <= files; index += 1) {
		const path = filePath(random, index);
		if (style === 0) trace.add("read_file", { path }, paragraph(random, random.integer(1, 8)));
		else if (style === 1) trace.add("lint", { path }, "No problems found.");
		else if (style === 2) trace.add("grep", { pattern: "deprecated", path }, "");
		else if (style === 3) trace.add("bash", { command: `wc -l ${path}` }, `${random.integer(1, 900)} ${path}`);
		else trace.add("convert_image", { file: `scan_${String(index).padStart(4, "0")}.png`, format: "webp" }, "converted");
	}
};

const longResearch: LegitimateScript = (trace) => {
	const { random } = trace;
	const subject = random.pick(SUBJECTS);
	const steps = random.integer(15, 60);
	for (let step = 0; step < steps; step += 1) {
		const share = random.share();
		if (share < 0.5) {
			const isFound = random.share() < 0.75;
			trace.add("web_search", { query: `${subject} ${sentence(random)}` }, isFound ? paragraph(random, random.integer(2, 9)) : "No results found.");
		} else if (share < 0.8)
			trace.add(
				"open_page",
				{ url: `https://${noun(random)}.example.org/${noun(random)}/${random.integer(1, 999)}` },
				paragraph(random, random.integer(5, 60)),
			);
		else trace.add("take_note", { text: paragraph(random, 2) }, "noted");
	}
};

const batchEdits: LegitimateScript = (trace) => {
	const { random } = trace;
	const edits = random.integer(12, 60);
	const style = random.integer(0, 4);
	const path = filePath(random, 1);
	for (let index = 1; index <= edits; index += 1) {
		if (style === 4) {
			trace.add("read_file", { path: `locale/${noun(random)}-${index}.json` }, `{"title":"${sentence(random)}"}`);
			trace.add("write_file", { path: `locale/${noun(random)}-${index}.json`, content: sentence(random) }, "ok");
			continue;
		}
		if (style === 0) trace.add("edit_file", { path: filePath(random, index), old_text: "colour", new_text: "color" }, "1 replacement made");
		else if (style === 1) trace.add("edit_file", { path, old_text: sentence(random), new_text: sentence(random) }, "ok");
		else if (style === 2) trace.add("update_record", { table: "customer", id: index, set: { state: "archived" } }, '{"updated":1}');
		else trace.add("send_email", { to: `${noun(random)}${index}@example.com`, template: "renewal" }, "accepted");
	}
};

export const LEGITIMATE: Readonly<Record<string, LegitimateScript>> = {
	pagination,
	polling,
	"retry-that-succeeds": retryThatSucceeds,
	"test-fix": testFix,
	"map-over-files": mapOverFiles,
	"long-research": longResearch,
	"batch-edits": batchEdits,
};
