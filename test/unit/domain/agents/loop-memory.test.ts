import { expect, test } from "vitest";
import { createLoopMemory, PACKED_BYTES, packLoopMemory, unpackLoopMemory } from "#domain/agents/loop-memory.ts";

test("a run's memory has one length, well below a kilobyte", () => {
	expect(packLoopMemory(createLoopMemory())).toHaveLength(PACKED_BYTES);
	expect(PACKED_BYTES).toBeLessThanOrEqual(640);
});

test("what was packed is unpacked as it was", () => {
	const memory = createLoopMemory();
	for (let at = 0; at < memory.length; at += 1) memory[at] = at * 257;
	expect(unpackLoopMemory(packLoopMemory(memory))).toEqual({ kind: "unpacked", memory });
});

test("what cannot be read is refused with the reason", () => {
	const packed = packLoopMemory(createLoopMemory());
	expect(unpackLoopMemory(new Uint8Array())).toEqual({ kind: "refused", problem: "has the format of nothing, not 1" });
	expect(unpackLoopMemory(Uint8Array.of(2, ...packed.subarray(1)))).toEqual({ kind: "refused", problem: "has the format 2, not 1" });
	expect(unpackLoopMemory(packed.subarray(0, 100))).toEqual({ kind: "refused", problem: `has 100 bytes, not ${PACKED_BYTES}` });
	const broken = packed.slice();
	broken[200] = (broken[200] ?? 0) ^ 1;
	expect(unpackLoopMemory(broken)).toEqual({ kind: "refused", problem: "does not match its checksum" });
});
