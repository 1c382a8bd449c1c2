package account

import "testing"

func TestAddTo(t *testing.T) {
	tests := []struct{ name, passwd, group, wantPasswd, wantGroup string }{
		{"nothing", "", "", Passwd, Group},
		{"another user", "root:x:0:0:root:/root:/bin/bash\n", "root:x:0:\n", "root:x:0:0:root:/root:/bin/bash\n" + user, "root:x:0:\n" + group},
		{"no line end", "root:x:0:0:root:/root:/bin/sh", "root:x:0:", "root:x:0:0:root:/root:/bin/sh\n" + user, "root:x:0:\n" + group},
		{"the user by another name", "app:x:65532:65532::/app:/bin/sh\n", "app:x:65532:\n", "app:x:65532:65532::/app:/bin/sh\n", "app:x:65532:\n"},
		{"another's group", "app:x:1000:65532::/app:/bin/sh\n", "x:x:655320:\n", "app:x:1000:65532::/app:/bin/sh\n" + user, "x:x:655320:\n" + group},
		{"itself", Passwd, Group, Passwd, Group},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p, g := AddTo(tt.passwd, tt.group); p != tt.wantPasswd || g != tt.wantGroup {
				t.Errorf("got\n%s\n%s", p, g)
			}
		})
	}
}
