package verify

import "sync"

// group runs functions at the same time. A panic in one of them becomes a
// panic of Wait, where the runner turns it into a finding; in a goroutine of
// its own it would take the whole process down.
type group struct {
	wg       sync.WaitGroup
	once     sync.Once
	panicked any
}

func (g *group) Go(f func()) {
	g.wg.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				g.once.Do(func() { g.panicked = p })
			}
		}()
		f()
	})
}

func (g *group) Wait() {
	g.wg.Wait()
	if g.panicked != nil {
		panic(g.panicked)
	}
}
