// Package account knows the user that services run as.
package account

import "strings"

const (
	// ID is distroless' "nonroot", as a number, since Kubernetes' runAsNonRoot wants one.
	ID   = "65532"
	Home = "/home/nonroot"

	user  = "nonroot:x:" + ID + ":" + ID + ":nonroot:" + Home + ":/sbin/nologin\n"
	group = "nonroot:x:" + ID + ":\n"

	// Passwd and Group are the files of an image made from nothing.
	Passwd = "root:x:0:0:root:/:/sbin/nologin\n" + user
	Group  = "root:x:0:\n" + group
)

// AddTo adds the user and its group to the passwd and group of another image, which stay as they
// are if they have them. Of an image that has no such file they are those of one made from nothing.
func AddTo(passwd, groups string) (newPasswd, newGroups string) {
	return add(passwd, user, Passwd), add(groups, group, Group)
}

func add(file, line, all string) string {
	if file == "" {
		return all
	}
	for known := range strings.Lines(file) {
		if fields := strings.Split(strings.TrimSpace(known), ":"); len(fields) > 2 && fields[2] == ID {
			return file
		}
	}
	if !strings.HasSuffix(file, "\n") {
		file += "\n"
	}
	return file + line
}
