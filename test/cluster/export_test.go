package cluster

// IsUsable lets the tests outside of the package ask what AddNodes waits for.
var IsUsable = isUsable
