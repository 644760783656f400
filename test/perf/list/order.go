package main

import "slices"

// order returns in which order a round, counted from 1, takes n things that are numbered from 0. It is a Williams square, and for
// an odd n two of them: after n rounds each thing has been in each place once, and after n rounds for an even n, 2n for an odd one,
// each has also followed each other one equally often. So neither what a machine does in the course of a round nor what a
// measurement leaves behind for the next one falls upon one thing alone.
func order(round, n int) []int {
	if n == 0 {
		return nil
	}
	shift, pass := (round-1)%n, (round-1)/n
	places := make([]int, n)
	for place := range places {
		// 0, n-1, 1, n-2, 2, ...: the differences between neighbors are all different.
		step := place / 2
		if place%2 == 1 {
			step = n - 1 - place/2
		}
		places[place] = (step + shift) % n
	}
	if n%2 == 1 && pass%2 == 1 {
		slices.Reverse(places)
	}
	return places
}

// sidesOf returns in which order the sides of a comparison measure the thing with that number in a round: each in turn first, and in one
// and the same round not the same one for all things.
func sidesOf(round, number int, sides []string) []string {
	turned := slices.Clone(sides)
	if (round+number)%2 == 0 {
		slices.Reverse(turned)
	}
	return turned
}

// inOrder groups workloads by scenario and size, and takes the variants of each group in the order of the round.
func inOrder(workloads []workload, round int) []workload {
	var ordered []workload
	for _, group := range groups(workloads) {
		for _, i := range order(round, len(group)) {
			ordered = append(ordered, group[i])
		}
	}
	return ordered
}
