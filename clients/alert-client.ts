import type { z } from "zod";
import { Done } from "./administration-contract.ts";
import * as contract from "./alert-contract.ts";

type Output<Schema extends z.ZodType> = z.output<Schema>;
export type Alert = Output<typeof contract.Alert>;
export type AlertChannelSetting = z.input<typeof contract.SetAlertChannelRequest>;
export type AlertChannel = Output<typeof contract.AlertChannel>;
export type AlertRoute = Output<typeof contract.AlertRoute>;
export type ChannelTest = Output<typeof contract.ChannelTest>;

type Send = <Schema extends z.ZodType>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, answer: Schema, body?: unknown) => Promise<Output<Schema>>;
type AlertQuestion = { teamId?: string | undefined; isFiring?: boolean | undefined; isDead?: boolean | undefined; limit?: number | undefined };

/** Alerts and their deliveries. */
export class AlertClient {
	readonly #send: Send;

	constructor(send: Send) {
		this.#send = send;
	}

	/** The newest first, 50 unless `limit` (up to 1,000) says otherwise. */
	async list({ teamId, isFiring, isDead, limit }: AlertQuestion = {}): Promise<Alert[]> {
		const asked = query({ teamId, firing: isFiring ? "true" : undefined, dead: isDead ? "true" : undefined, limit });
		return (await this.#send("GET", `/alerts${asked}`, contract.AlertList)).alerts;
	}

	read(alertId: string): Promise<Alert> {
		return this.#send("GET", `/alerts/${encodeURIComponent(alertId)}`, contract.Alert);
	}

	/** Sends again what of it was given up; `waiting` deliveries then wait. */
	retry(alertId: string): Promise<{ waiting: number }> {
		return this.#send("POST", `/alerts/${encodeURIComponent(alertId)}/retry`, contract.RetriedAlerts, {});
	}

	retryAllDead(): Promise<{ waiting: number }> {
		return this.#send("POST", "/alerts/retry-dead", contract.RetriedAlerts, {});
	}

	/** Somebody knows that it was not delivered. */
	acknowledge(alertId: string): Promise<Alert> {
		return this.#send("POST", `/alerts/${encodeURIComponent(alertId)}/acknowledge`, contract.Alert, {});
	}
}

/** Where alerts go. */
export class AlertChannelClient {
	readonly #send: Send;

	constructor(send: Send) {
		this.#send = send;
	}

	/** Channels, and which alerts of which team go where. */
	list(): Promise<{ channels: AlertChannel[]; routes: AlertRoute[] }> {
		return this.#send("GET", "/alert-channels", contract.AlertChannelList);
	}

	/** Makes it, or sets it as a whole. Secrets are named by their variable or file, never given. */
	set(name: string, channel: AlertChannelSetting): Promise<AlertChannel> {
		return this.#send("PUT", `/alert-channels/${encodeURIComponent(name)}`, contract.AlertChannel, channel);
	}

	remove(name: string): Promise<unknown> {
		return this.#send("DELETE", `/alert-channels/${encodeURIComponent(name)}`, Done);
	}

	/** Sends a test alert now; `said` is what the receiver answered. */
	test(name: string): Promise<ChannelTest> {
		return this.#send("POST", `/alert-channels/${encodeURIComponent(name)}/test`, contract.ChannelTest, {});
	}

	/** Sets all routes of a team, or of "@organization", which is told of every team. */
	async setRoutes(teamId: string, routes: readonly { channel: string; kinds?: string[] | undefined }[]): Promise<AlertRoute[]> {
		return (await this.#send("PUT", "/alert-routes", contract.AlertRouteList, { teamId, routes })).routes;
	}
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
	const given = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]));
	return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}
