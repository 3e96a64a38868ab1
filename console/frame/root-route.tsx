import { createRootRoute, Link, retainSearchParams } from "@tanstack/react-router";
import { Gate } from "./gate.tsx";
import { Page } from "./page.tsx";
import { Empty } from "./states.tsx";

/** Search parameters that every page has. All of them are text: pages read numbers and lists out of it themselves. */
export type RootSearch = { readonly team?: string | undefined };
export type RawSearch = Readonly<Record<string, string | undefined>>;

export const rootRoute = createRootRoute({
	validateSearch: ({ team }: RawSearch): RootSearch => (team ? { team } : {}),
	search: { middlewares: [retainSearchParams(["team"])] },
	component: Gate,
	notFoundComponent: NotFound,
});

function NotFound() {
	return (
		<Page title="Not found">
			<Empty title="There is no such page.">
				<Link to="/">To the overview</Link>
			</Empty>
		</Page>
	);
}
