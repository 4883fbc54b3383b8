package main

func (run *Run) consumers() {}
