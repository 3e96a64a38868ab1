import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { type AlertReceiver, startWebhookReceiver } from "#test/support/alert-receivers.ts";

const SECRET = `whsec_${randomBytes(32).toString("base64")}`;
let administration: TestAdministration;
let receiver: AlertReceiver;

beforeAll(async () => {
	administration = await openTestAdministration();
	receiver = await startWebhookReceiver(SECRET);
	administration.alertSecrets.set("HOOK_SECRET", SECRET);
	await ask("POST", "/teams", { id: "search" });
});
afterEach(() => expect(administration.unexpected).toEqual([]));
afterAll(async () => {
	await administration.close();
	await receiver.close();
});

async function ask(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown) {
	const answer = await administration.app.inject({
		method,
		url: `/admin/v1${path}`,
		headers: { authorization: `Bearer ${administration.adminKey}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
		...(body === undefined ? {} : { payload: JSON.stringify(body) }),
	});
	return { status: answer.statusCode, body: answer.json() };
}

const raise = (key: string, teamId = "search", isFiring = true) =>
	administration.pool.query("SELECT tollgate.raise_alert($1, $2, '', 'velocity.key', 'warning', $3, '{\"posted\": \"1\"}')", [key, teamId, isFiring]);
const setState = (state: string) =>
	administration.pool.query("UPDATE tollgate.alert_delivery SET state = $1, last_error = '404 no', ended_at = now()", [state]);

describe("channels", () => {
	const hook = () => ({ kind: "webhook", url: receiver.url, secretEnv: "HOOK_SECRET", allowPrivate: true });

	test("are set, shown without a secret, and recorded with who did it", async () => {
		expect(await ask("PUT", "/alert-channels/hook", hook())).toEqual({ status: 200, body: { name: "hook", ...hook() } });
		expect((await ask("PUT", "/alert-channels/chat", { kind: "slack", urlEnv: "SLACK_URL" })).body).toEqual({
			name: "chat",
			kind: "slack",
			urlEnv: "SLACK_URL",
			allowPrivate: false,
		});
		const { body } = await ask("GET", "/alert-channels");
		expect(body.channels.map(({ name }: { name: string }) => name)).toEqual(["chat", "hook"]);
		const { body: log } = await ask("GET", "/changes?limit=1000");
		expect(log.changes.at(-1)).toMatchObject({ kind: "alert_channel", subject: "chat", adminName: "ada", detail: { kind: "slack", urlEnv: "SLACK_URL" } });
	});

	test.each([
		["hook", { kind: "webhook", url: "http://127.0.0.1:1/", secretEnv: "S" }, "channel.url"],
		["hook", { kind: "webhook", url: "https://10.0.0.1/", secretEnv: "S" }, "channel.url"],
		["hook", { kind: "alertmanager", url: "https://am.example", urlEnv: "AM" }, "channel.urlEnv"],
		["hook", { kind: "slack", url: "https://hooks.slack.com/services/x" }, "channel.urlEnv"],
		["hook", { kind: "carrier pigeon" }, "channel.kind"],
		["hook", {}, "channel.kind"],
		["Hook!", { kind: "slack", urlEnv: "S" }, "name"],
	])("%s %j is refused, naming the field, and nothing changes", async (name, channel, field) => {
		const before = (await ask("GET", "/alert-channels")).body;
		const { status, body } = await ask("PUT", `/alert-channels/${encodeURIComponent(name)}`, channel);
		expect([status, body.error.code, body.error.field]).toEqual([422, "admin.invalid", field]);
		expect((await ask("GET", "/alert-channels")).body).toEqual(before);
	});

	test("are tried at once, and the receiver's answer is told, taken or not", async () => {
		await ask("PUT", "/alert-channels/hook", hook());
		expect(await ask("POST", "/alert-channels/hook/test", {})).toEqual({ status: 200, body: { isDelivered: true, said: "204" } });
		expect(receiver.taken.at(-1)?.json).toMatchObject({ type: "test", data: { title: "This is a test that ada asked for; nothing has happened" } });
		receiver.answers.push((response) => response.writeHead(401).end("who are you"));
		expect((await ask("POST", "/alert-channels/hook/test", {})).body).toEqual({ isDelivered: false, said: "401 who are you" });
		expect((await ask("POST", "/alert-channels/chat/test", {})).body).toEqual({ isDelivered: false, said: "SLACK_URL is not set" });
		expect((await ask("POST", "/alert-channels/nobody/test", {})).body.error.code).toBe("admin.not_found");
	});

	test("go only when no route names them", async () => {
		await ask("PUT", "/alert-routes", { teamId: "search", routes: [{ channel: "chat" }] });
		const refused = await ask("DELETE", "/alert-channels/chat");
		expect([refused.status, refused.body.error.message]).toEqual([409, expect.stringContaining("search")]);
		await ask("PUT", "/alert-routes", { teamId: "search", routes: [] });
		expect((await ask("DELETE", "/alert-channels/chat")).status).toBe(200);
		expect((await ask("DELETE", "/alert-channels/chat")).body.error.code).toBe("admin.not_found");
	});
});

describe("routes", () => {
	test("are set as a whole, per team and for the organisation", async () => {
		const routes = [{ channel: "hook", kinds: ["budget.stopped"] }];
		expect((await ask("PUT", "/alert-routes", { teamId: "search", routes })).body.routes).toEqual([{ teamId: "search", ...routes[0] }]);
		await ask("PUT", "/alert-routes", { teamId: "@organization", routes: [{ channel: "hook" }] });
		expect((await ask("GET", "/alert-channels")).body.routes).toEqual([
			{ teamId: "@organization", channel: "hook", kinds: [] },
			{ teamId: "search", ...routes[0] },
		]);
		await ask("PUT", "/alert-routes", { teamId: "search", routes: [] });
		expect((await ask("GET", "/alert-channels")).body.routes).toHaveLength(1);
	});

	test.each([
		["search", [{ channel: "nobody" }], "routes[0].channel"],
		["search", [{ channel: "hook", kinds: ["budget.stoped"] }], "routes[0].kinds[0]"],
		["search", [{ channel: "hook" }, { channel: "hook" }], "routes[1].channel"],
		["search", [{ channel: "hook", team: "x" }], "routes[0].team"],
	])("of %s to %j are refused, naming the field", async (teamId, routes, field) => {
		const { status, body } = await ask("PUT", "/alert-routes", { teamId, routes });
		expect([status, body.error.field]).toEqual([422, field]);
	});

	test("of a team that is not there are not found", async () => {
		expect((await ask("PUT", "/alert-routes", { teamId: "nobody", routes: [] })).status).toBe(404);
	});
});

describe("alerts", () => {
	test("are listed, the newest first, with where they went; one that no route takes says so", async () => {
		await ask("PUT", "/alert-routes", { teamId: "@organization", routes: [] });
		await raise("unheard");
		await ask("PUT", "/alert-routes", { teamId: "search", routes: [{ channel: "hook" }] });
		await raise("heard");
		const { body } = await ask("GET", "/alerts?teamId=search");
		expect(
			body.alerts.map(({ status, deliveries }: { status: string; deliveries: { state: string }[] }) => [status, deliveries.map(({ state }) => state)]),
		).toEqual([
			["firing", ["waiting"]],
			["firing", []],
		]);
		const [alert] = body.alerts;
		expect((await ask("GET", `/alerts/${alert.id}`)).body).toEqual(alert);
		expect(alert).toMatchObject({ kind: "velocity.key", teamId: "search", runbook: "docs/runbooks/velocity-key.md", detail: { posted: "1" } });
		expect((await ask("GET", "/alerts?limit=1")).body.alerts).toHaveLength(1);
		expect((await ask("GET", "/alerts?teamId=nobody")).status).toBe(404);
		expect((await ask("GET", "/alerts/alr_none")).status).toBe(404);
		expect((await ask("GET", "/alerts?limit=0")).body.error.field).toBe("limit");
	});

	test("that fire are told from those that ended", async () => {
		await raise("end", "search", false);
		expect((await ask("GET", "/alerts?teamId=search&firing=true")).body.alerts).toEqual([]);
		const [over, heard] = (await ask("GET", "/alerts?teamId=search")).body.alerts;
		expect([over.status, heard.status, heard.endedAt !== null]).toEqual(["over", "ended", true]);
	});

	test("that were given up are listed until they are sent again or acknowledged", async () => {
		const dead = async () => (await ask("GET", "/alerts?dead=true")).body.alerts;
		await setState("dead");
		const [newest, older] = await dead();
		expect(newest.deliveries[0]).toMatchObject({ state: "dead", lastError: "404 no" });
		expect((await ask("POST", `/alerts/${newest.id}/retry`, {})).body).toEqual({ waiting: 1 });
		expect(await dead()).toHaveLength(1);
		expect((await ask("POST", `/alerts/${older.id}/acknowledge`, {})).body.deliveries[0]).toMatchObject({ state: "dead", acknowledgedBy: "ada" });
		expect(await dead()).toEqual([]);
		await setState("dead");
		expect((await ask("POST", "/alerts/retry-dead", {})).body.waiting).toBe(2);
		expect((await ask("POST", "/alerts/alr_none/retry", {})).status).toBe(404);
	});
});
