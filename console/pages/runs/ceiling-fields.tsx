import { Stack, TextInput } from "@mantine/core";
import { CeilingAmount } from "./ceiling-amount.tsx";
import { readCeiling, unitOf } from "./decide.ts";
import { type Hold, isHolding, type StandingCeiling } from "./run-words.ts";

type Field = { readonly ceiling: StandingCeiling; readonly name: string; readonly text: string };
type CeilingFieldsProps = { readonly fields: readonly Field[]; readonly hold: Hold | null; readonly onTyped: (name: string, text: string) => void };

/** One field for each ceiling that may be raised, what holds the run first; an empty one stays as it is. */
export function CeilingFields({ fields, hold, onTyped }: CeilingFieldsProps) {
	const sorted = [...fields].sort((one, other) => Number(isHolding(other.ceiling, hold)) - Number(isHolding(one.ceiling, hold)));
	return (
		<Stack gap="xs">
			{sorted.map(({ ceiling, name, text }) => {
				const { kind, at, taken } = ceiling;
				const unit = unitOf(kind);
				const isWrong = text.trim() !== "" && readCeiling(kind, text) === undefined;
				return (
					<TextInput
						key={name}
						label={`${name}, new total${unit === "" ? "" : ` in ${unit}`}`}
						description={
							<>
								<CeilingAmount kind={kind} amount={taken} /> of <CeilingAmount kind={kind} amount={at} /> taken
								{isHolding(ceiling, hold) ? ": this is what holds it" : "; empty: stays as it is"}
							</>
						}
						inputMode={kind === "costNanoUsd" ? "decimal" : "numeric"}
						required={isHolding(ceiling, hold)}
						value={text}
						error={isWrong ? (kind === "costNanoUsd" ? "An amount like 25 or 12.50" : "A whole number") : undefined}
						onChange={(event) => onTyped(name, event.currentTarget.value)}
					/>
				);
			})}
		</Stack>
	);
}
