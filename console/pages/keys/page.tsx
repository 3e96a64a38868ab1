import { Tabs } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { Page } from "../../frame/page.tsx";
import { Keys } from "./keys.tsx";
import { Prices } from "./prices.tsx";

const route = getRouteApi("/keys");

/** Who may call and what calls cost. */
export function KeysPage() {
	const { show } = route.useSearch();
	const navigate = route.useNavigate();
	const turnTo = (tab: string | null): void => void navigate({ search: ({ team }) => ({ team, ...(tab === "prices" && { show: "prices" as const }) }) });
	return (
		<Page title="Keys and prices">
			<Tabs value={show ?? "keys"} onChange={turnTo} keepMounted={false}>
				<Tabs.List mb="md">
					<Tabs.Tab value="keys">Virtual keys</Tabs.Tab>
					<Tabs.Tab value="prices">Prices</Tabs.Tab>
				</Tabs.List>
				<Tabs.Panel value="keys">
					<Keys />
				</Tabs.Panel>
				<Tabs.Panel value="prices">
					<Prices />
				</Tabs.Panel>
			</Tabs>
		</Page>
	);
}
