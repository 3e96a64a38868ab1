import { Alert, Anchor, Button, Container, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { readSignInWays, SESSION_KEY, type Session, signIn } from "../api/session.ts";
import { takeLinkToken } from "./link-token.ts";

/** Asks who somebody is; the address stays, so that he is where he wanted to be afterwards. */
export function SignIn({ onDone, isSignedIn = false }: { readonly onDone?: () => void; readonly isSignedIn?: boolean }) {
	const [adminKey, setAdminKey] = useState("");
	const [token] = useState(takeLinkToken);
	const entering = useSignIn(onDone);
	const ways = useQuery({ queryKey: ["session", "ways"], queryFn: readSignInWays, staleTime: Number.POSITIVE_INFINITY });
	useEffect(() => {
		document.title = "Sign in · Tollgate";
	}, []);
	const { mutate } = entering;
	useEffect(() => {
		if (token !== null) mutate({ link: token });
	}, [token, mutate]);
	const submit = (event: FormEvent): void => {
		event.preventDefault();
		mutate({ adminKey: adminKey.trim() });
	};
	return (
		<Container component="main" size={440} py="15vh" px="md">
			<Paper p="xl">
				<Title order={1} mb="xs">
					Sign in to Tollgate
				</Title>
				<Text size="sm" c="dimmed" mb="md">
					Open the one-time link that <code>npm start</code> printed, or have a new one printed by <code>npx tollgate console</code>. An admin key works as
					well.
				</Text>
				{entering.error !== null && (
					<Alert role="alert" variant="outline" color="red" mb="md" title="Not signed in">
						<Text size="sm">{entering.error.message}</Text>
					</Alert>
				)}
				<form onSubmit={submit}>
					<Stack gap="sm">
						<PasswordInput
							label="Admin key"
							placeholder="tga-…"
							autoComplete="off"
							required
							value={adminKey}
							onChange={(event) => setAdminKey(event.currentTarget.value)}
						/>
						<Button type="submit" loading={entering.isPending}>
							Sign in
						</Button>
						{ways.data?.oidc && (
							<Button component="a" href={ways.data.oidc.startUrl} variant="default">
								Sign in with {ways.data.oidc.name}
							</Button>
						)}
					</Stack>
				</form>
				{isSignedIn && (
					<Anchor component="button" size="sm" mt="md" onClick={onDone}>
						Go on as you are signed in already
					</Anchor>
				)}
			</Paper>
		</Container>
	);
}

function useSignIn(onDone?: () => void) {
	const client = useQueryClient();
	return useMutation({
		mutationKey: ["sign-in"],
		mutationFn: signIn,
		async onSuccess(session: Session) {
			// Whoever asked before with the session that was here would find none.
			await client.cancelQueries({ queryKey: SESSION_KEY, exact: true });
			client.setQueryData(SESSION_KEY, session);
			onDone?.();
		},
	});
}
