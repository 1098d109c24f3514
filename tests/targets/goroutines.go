// SPDX-License-Identifier: MIT

// A Go runtime in somebody else's process: goroutines on stacks of their own, which grow
// and move; threads that the runtime starts and stops; its signal handlers, with its
// preemption by SIGURG; its collector.  What each goroutine adds up must come out right.
package main

import "C"

import (
	"runtime"
	"sync/atomic"
	"time"
)

var rounds, wrong int64

type node struct {
	next  *node
	value int
}

// A stack of many frames, made anew each time: it's copied to a larger place as it grows.
func deep(n int) int {
	var pad [64]int
	for i := range pad {
		pad[i] = n + i
	}
	if n == 0 {
		return pad[7] - 7
	}
	return deep(n-1) + pad[n%64] - n%64 - n + 1
}

func work() {
	for {
		var list *node
		for i := 0; i < 1000; i++ {
			list = &node{list, i}
		}
		sum := 0
		for at := list; at != nil; at = at.next {
			sum += at.value
		}
		if sum != 499500 || deep(300) != 300 {
			atomic.AddInt64(&wrong, 1)
		}
		atomic.AddInt64(&rounds, 1)
	}
}

// Threads are taken from and given back to the runtime.
func locked() {
	for {
		done := make(chan int)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with it
			time.Sleep(time.Millisecond)
			done <- 1
		}()
		if <-done != 1 {
			atomic.AddInt64(&wrong, 1)
		}
	}
}

//export goroutines_start
func goroutines_start(n C.int) {
	for i := 0; i < int(n); i++ {
		go work()
	}
	go locked()
}

//export goroutines_rounds
func goroutines_rounds() C.long { return C.long(atomic.LoadInt64(&rounds)) }

//export goroutines_wrong
func goroutines_wrong() C.long { return C.long(atomic.LoadInt64(&wrong)) }

func main() {}
