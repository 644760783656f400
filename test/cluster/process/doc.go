// Package process runs programs that must not outlive the program that started them.
//
// A [Group] is one process group of the operating system plus one temporary folder. Two tiny shells stand beside it.
// The anchor leads the process group, so that every program joins the group before its first instruction runs and
// none can be missed. The guard stays outside the group. Both read from a pipe whose other end only the parent holds:
// when the parent ends in whatever way (return, panic, os.Exit, Ctrl-C, kill -9) the pipe breaks, and the guard kills
// the group and removes the folder.
//
// Neither of the usual remedies does this. A parent-death signal is bound to the thread that started the child, not
// to the process, and removes no folder; signal handlers see neither SIGKILL nor a panic in a test.
package process
