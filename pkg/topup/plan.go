package topup

// Plan says what leads from the observed units to the desired ones. It is deterministic and does not depend on the order
// of units. Carried out again and again on a cluster in which units may be bound, taken or lost at any time, it ends with
// Replicas units of the desired template and nothing to do.
func Plan(desired Desired, units []Unit) Actions {
	return Actions{}
}
