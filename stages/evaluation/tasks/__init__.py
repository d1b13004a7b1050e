"""The tasks encoders are measured on: what they are (data), and how their files are found and read.

Every .yaml file here declares a group of tasks; a folder of benchmarks may declare more of its own
in a file ``tasks.yaml`` of the same form.
"""
