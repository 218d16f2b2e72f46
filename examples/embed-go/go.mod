module vproc.example/embed

go 1.19
