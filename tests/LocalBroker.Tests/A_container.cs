using System.Diagnostics;

namespace LocalBroker.Tests;

public sealed class A_container
{
    // Where Docker, its desktop and its rootless kind listen unless DOCKER_HOST says otherwise.
    private static readonly string[] Sockets =
    [
        "/var/run/docker.sock",
        Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") ?? "/run/user/0", "docker.sock"),
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".docker/run/docker.sock"),
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".docker/desktop/docker.sock"),
    ];

    [Fact]
    public async Task Is_not_waited_for_where_no_engine_answers()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("DOCKER_HOST") is not null || Sockets.Any(File.Exists),
            "A container engine may answer here.");
        long start = Stopwatch.GetTimestamp();

        // An image that does not exist: had an engine been asked for it, that would be an error and not null.
        const string Image = "localhost:1/none:none";
        Assert.Null(await ContainerBroker.TryStartAsync(Image, TestContext.Current.CancellationToken));

        // Half a second alone; the pull of an image would be given minutes.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }
}
