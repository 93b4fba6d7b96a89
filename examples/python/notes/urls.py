from django.urls import path

from notes import views

urlpatterns = [
    path("", views.note_list, name="list"),
    path("create", views.note_create, name="create"),
    path("delete/<int:note_id>", views.note_delete, name="delete"),
]
