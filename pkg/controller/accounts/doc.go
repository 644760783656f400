// Package accounts keeps the account of each Headroom (see pkg/account) in memory and in an object of its own, the HeadroomAccount of the
// same name, across restarts and changes of the leader.
//
// What is recorded is written at most every WriteInterval. What a controller that dies had not written is found again: a record says
// through which resource version the deletions of placeholders are in it, and the next controller has the API server replay what came
// after. A deletion that was seen and not explained yet is part of the record.
//
// Of several installations of the controller that see a Headroom, the one that acts on it keeps its account. When another one takes
// over, it goes on from what is stored, as after a restart.
//
//	keeper.go   what is recorded, and where the Reconciler hands it in
//	store.go    reading HeadroomAccounts, and when they are written
//	write.go    writing them
//	replay.go   what happened while no controller ran
//	takeover.go what another installation keeps, and taking over from it
package accounts
