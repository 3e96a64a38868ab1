# Decides every call of a Tollgate gateway; docs/decisions.md says what `input` holds.
#
#   opa run --server --addr 127.0.0.1:8181 examples/opa/tollgate.rego
#   OPA_URL=http://127.0.0.1:8181/v1/data/tollgate/call npm start
package tollgate.call

# Without a default, a call that no rule allows would be undefined; Tollgate refuses that too, but can give no reason.
default allow := false

allow if count(reasons) == 0

# The dear model is for one team.
reasons contains "The model gpt-4o is for team research; ask for gpt-4o-mini." if {
	input.modelAsked == "gpt-4o"
	input.team != "research"
}

# A power of two, so that bounds rounded up to one decide as exact ones would: 2^28 nano-USD is 0.268435456 USD.
reasons contains "One call may cost 0.268 USD at most: lower its output cap, or send less." if {
	to_number(input.boundNanoUsd) > 268435456
}

# Agents of the test environment have no hands.
reasons contains "Calls of environment staging may not bring tools." if {
	input.environment == "staging"
	input.hasTools
}

# What the caller says about himself may only ever take something away.
reasons contains "This job may not call models." if {
	input.claimed["metadata.job"] == "paused"
}
