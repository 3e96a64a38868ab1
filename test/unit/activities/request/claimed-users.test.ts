import { expect, test } from "vitest";
import { createOpaqueUserIds, withOpaqueUsers } from "#activities/request/claimed-users.ts";

const idOf = createOpaqueUserIds(Buffer.alloc(32, 1));

test("one user of one team has one id; another user, another team and another secret have another, and none shows the text", () => {
	const ids = [
		idOf("a", "ann@example.com"),
		idOf("a", "bob@example.com"),
		idOf("b", "ann@example.com"),
		createOpaqueUserIds(Buffer.alloc(32, 2))("a", "ann@example.com"),
	];
	expect(new Set(ids).size).toBe(4);
	expect(idOf("a", "ann@example.com")).toBe(ids[0]);
	for (const id of ids) expect(id).toMatch(/^user_[A-Za-z0-9_-]{22}$/);
});

test("every field that names a user is made opaque, every other claim stays as it was written", () => {
	const claimed = { user: "ann", safety_identifier: "ann", "metadata.user_id": "ann", "metadata.trace": "t-1" };
	expect(withOpaqueUsers(claimed, (text) => `<${text}>`)).toEqual({
		user: "<ann>",
		safety_identifier: "<ann>",
		"metadata.user_id": "<ann>",
		"metadata.trace": "t-1",
	});
	expect(claimed.user).toBe("ann");
});

test("without a user nothing is copied", () => {
	const claimed = { "metadata.trace": "t-1" };
	expect(withOpaqueUsers(claimed, () => "x")).toBe(claimed);
});
