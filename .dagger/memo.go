package main

import "sync"

// memo keeps what was found for as long as one call lasts, which is as long as this process
// does. What several ask for at once is found once.
type memo[K comparable, V any] struct{ found sync.Map }

func (m *memo[K, V]) get(key K, find func() (V, error)) (V, error) {
	once, _ := m.found.LoadOrStore(key, sync.OnceValues(find))
	return once.(func() (V, error))()
}
