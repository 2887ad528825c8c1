package apikey

import (
	"sync"
	"testing"
)

// OneBuffer makes Verify use one buffer until the test ends.
func OneBuffer(t *testing.T) *[maxKeyLen]byte {
	buf := new([maxKeyLen]byte)
	t.Cleanup(func() { buffers = sync.Pool{New: newBuffer} })
	buffers = sync.Pool{New: func() any { return buf }}
	return buf
}
