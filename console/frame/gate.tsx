import { Container } from "@mantine/core";
import { useState } from "react";
import { SessionProvider, useOtherTabsSession, useSessionAnswer } from "../api/session.ts";
import { isEntering } from "./link-token.ts";
import { Shell } from "./shell.tsx";
import { SignIn } from "./sign-in.tsx";
import { Failed, Waiting } from "./states.tsx";

/** Nothing is asked for and nothing shown before somebody is signed in. */
export function Gate() {
	const session = useSessionAnswer();
	useOtherTabsSession();
	// A link is for a new session, whoever is signed in now.
	const [isByLink, setIsByLink] = useState(isEntering);
	if (isByLink) return <SignIn onDone={() => setIsByLink(false)} isSignedIn={Boolean(session.data)} />;
	if (session.data)
		return (
			<SessionProvider value={session.data}>
				<Shell />
			</SessionProvider>
		);
	if (session.data === null) return <SignIn />;
	return (
		<Container component="main" size={560} py="15vh">
			{session.error !== null ? <Failed error={session.error} what="Tollgate" onRetry={() => void session.refetch()} /> : <Waiting what="Tollgate" />}
		</Container>
	);
}
