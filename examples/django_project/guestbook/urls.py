from django.urls import path

from guestbook import views

urlpatterns = [
    path("", views.guestbook, name="guestbook"),
    path("hello/", views.hello),
    path("process/", views.process),
    path("visits/", views.visits),
    path("upload/", views.upload),
    path("form-upload/", views.form_upload),
    path("download/stream/", views.download_stream),
    path("download/file/", views.download_file),
    path("async/", views.async_view),
    path("slow/", views.slow),
    path("error/", views.error),
]
