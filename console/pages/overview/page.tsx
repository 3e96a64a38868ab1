import { Grid, SimpleGrid, Stack } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Page, Section } from "../../frame/page.tsx";
import { RefusalTable } from "../../frame/refusal-table.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { FullestBudgets } from "./fullest-budgets.tsx";
import { MonthForecast } from "./month-forecast.tsx";
import { Movers } from "./movers.tsx";
import { Saved } from "./saved.tsx";
import { SpendByDay } from "./spend-by-day.tsx";
import { Today } from "./today.tsx";

/** Where the money goes now, where it will have gone, and what stands in its way. */
export function OverviewPage() {
	const team = useTeam();
	const search = team === undefined ? {} : { team };
	return (
		<Page title="Overview">
			<SimpleGrid cols={{ base: 1, md: 3 }}>
				<Section title="Today">
					<Today team={team} />
				</Section>
				<Section title="This month">
					<MonthForecast team={team} isShort />
				</Section>
				<Section title="Saved by waiting">
					<Saved team={team} />
				</Section>
			</SimpleGrid>
			<Grid>
				<Grid.Col span={{ base: 12, lg: 8 }}>
					<Section
						title="Spend by day"
						actions={
							<Link to="/explore" search={{ ...search, by: team === undefined ? "team" : "model", per: "day" }}>
								Explore
							</Link>
						}
					>
						<SpendByDay team={team} />
					</Section>
				</Grid.Col>
				<Grid.Col span={{ base: 12, lg: 4 }}>
					<Section
						title="Fullest budgets"
						actions={
							<Link to="/budgets" search={search}>
								All budgets
							</Link>
						}
					>
						<FullestBudgets team={team} />
					</Section>
				</Grid.Col>
			</Grid>
			<Stack gap="md">
				<Section title="Forecast of the month">
					<MonthForecast team={team} />
				</Section>
				<SimpleGrid cols={{ base: 1, lg: 2 }}>
					<Section title="What moved in 7 days">
						<Movers team={team} />
					</Section>
					<Section title="Refused in the last 7 days">
						<RefusalTable team={team} />
					</Section>
				</SimpleGrid>
			</Stack>
		</Page>
	);
}
