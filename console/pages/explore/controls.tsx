import { Button, Group, Input, MultiSelect, Paper, Pill, SegmentedControl, Select, Stack, TextInput } from "@mantine/core";
import { DatePickerInput } from "@mantine/dates";
import { type FormEvent, useState } from "react";
import {
	DIMENSION_WORDS,
	DIMENSIONS,
	DIMENSIONS_MAX,
	type Dimension,
	type ExploreSearch,
	type ExploreView,
	FILTERS,
	type FilterName,
	PERIODS,
	RANGES,
} from "./view.ts";

type ControlsProps = { readonly view: ExploreView; readonly onChange: (changed: ExploreSearch) => void };

export function Controls({ view, onChange }: ControlsProps) {
	return (
		<Paper component="section" aria-label="What is shown">
			<Stack gap="sm">
				<Group align="flex-end" gap="sm">
					<MultiSelect
						label="Grouped by"
						description="at most four, the first is stacked"
						w={{ base: "100%", sm: 340 }}
						data={DIMENSIONS.map((value) => ({ value, label: DIMENSION_WORDS[value] }))}
						value={[...view.by]}
						maxValues={DIMENSIONS_MAX}
						onChange={(by) => onChange({ by: by.join(","), sort: undefined })}
						clearButtonProps={{ "aria-label": "Clear the dimensions" }}
					/>
					<Select
						label="Time"
						w={{ base: "100%", xs: 160 }}
						data={[...RANGES]}
						value={view.range}
						onChange={(range) => onChange({ range: range ?? undefined, from: undefined, to: undefined })}
					/>
					{view.range === "dates" && <Dates view={view} onChange={onChange} />}
					<Input.Wrapper label="Per" labelElement="div">
						<div>
							<SegmentedControl aria-label="Per" data={[...PERIODS]} value={view.per} onChange={(per) => onChange({ per })} />
						</div>
					</Input.Wrapper>
				</Group>
				<Filters view={view} onChange={onChange} />
			</Stack>
		</Paper>
	);
}

/** Kept here until both ends are chosen: one end alone is no time. */
function Dates({ view, onChange }: ControlsProps) {
	const [days, setDays] = useState<[string | null, string | null]>([...view.days]);
	return (
		<DatePickerInput
			type="range"
			label="Days of UTC"
			w={{ base: "100%", xs: 260 }}
			allowSingleDateInRange
			valueFormat="D MMM YYYY"
			value={days}
			onChange={([from, to]) => {
				setDays([from, to]);
				if (from !== null && to !== null) onChange({ range: "dates", from, to });
			}}
		/>
	);
}

const FILTERED = Object.entries(FILTERS) as readonly [Dimension, FilterName][];

function Filters({ view, onChange }: ControlsProps) {
	const [dimension, setDimension] = useState<Dimension>("feature");
	const [value, setValue] = useState("");
	const name = FILTERED.find(([of]) => of === dimension)?.[1] ?? "feature";
	const add = (event: FormEvent): void => {
		event.preventDefault();
		if (value.trim() === "") return;
		onChange({ [name]: value.trim() });
		setValue("");
	};
	return (
		<Group gap="sm" align="flex-end">
			<form onSubmit={add}>
				<Group gap="xs" align="flex-end">
					<Select
						label="Only"
						w={150}
						data={FILTERED.map(([of]) => ({ value: of, label: DIMENSION_WORDS[of] }))}
						value={dimension}
						onChange={(chosen) => setDimension((chosen ?? "feature") as Dimension)}
					/>
					<TextInput
						aria-label="Value of the filter"
						placeholder="exactly as attributed"
						w={190}
						value={value}
						onChange={(event) => setValue(event.currentTarget.value)}
					/>
					<Button type="submit" variant="default">
						Add
					</Button>
				</Group>
			</form>
			{FILTERED.filter(([, filter]) => view.filters[filter] !== undefined).map(([of, filter]) => (
				<Pill
					key={filter}
					size="md"
					withRemoveButton
					onRemove={() => onChange({ [filter]: undefined })}
					removeButtonProps={{ "aria-label": `Remove the filter ${DIMENSION_WORDS[of]}`, tabIndex: 0, "aria-hidden": false }}
				>
					{DIMENSION_WORDS[of]}: {view.filters[filter]}
				</Pill>
			))}
		</Group>
	);
}
