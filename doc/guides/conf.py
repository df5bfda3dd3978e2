# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The rte_ims authors

project = "rte_ims"
copyright = "2026, The rte_ims authors"
master_doc = "index"
exclude_patterns = []
html_theme = "alabaster"
html_sidebars = {"**": ["globaltoc.html", "searchbox.html"]}
highlight_language = "c"
