"""What people see: the Dash application, folium maps, exports and reports."""
