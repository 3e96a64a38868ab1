import { type Answer, api, unwrap } from "../../api/client.ts";
import type { operations } from "../../api/schema.ts";

export type Key = Answer<"/admin/v1/keys">["keys"][number];

/** Shown once, in a dialog, and kept nowhere else: not in the cache of answers, which outlives a page. */
export type NewSecret = { readonly id: string; readonly secret: string };

export const DAY_MS = 86_400_000;

/** Of a key: how long it works, in milliseconds; "": until it is revoked. */
export const LIFETIMES = [
	{ value: "", label: "Until revoked" },
	{ value: String(30 * DAY_MS), label: "30 days" },
	{ value: String(90 * DAY_MS), label: "90 days" },
	{ value: String(365 * DAY_MS), label: "One year" },
];

export type KeyRequest = operations["createKey"]["requestBody"]["content"]["application/json"];

export async function createKey(body: KeyRequest): Promise<NewSecret> {
	const { id, key } = unwrap(await api.POST("/admin/v1/keys", { body }));
	return { id, secret: key };
}

export async function rotateKey(keyId: string, overlapMs: number): Promise<NewSecret> {
	const { id, key } = unwrap(await api.POST("/admin/v1/keys/{keyId}/rotate", { params: { path: { keyId } }, body: { overlapMs } }));
	return { id, secret: key };
}

export async function revokeKey(keyId: string) {
	return unwrap(await api.POST("/admin/v1/keys/{keyId}/revoke", { params: { path: { keyId } } }));
}
