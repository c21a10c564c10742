using System.Text;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Logging in, channels, and what ends a connection.</summary>
internal static class ConnectionCases
{
    public static IEnumerable<Case> All =>
    [
        new("a wrong password", s => s.TryAsync(() => s.ConnectAsync(f => f.Password = "wrong"))),
        new("an unknown user", s => s.TryAsync(() => s.ConnectAsync(f => f.UserName = "unknown"))),
        new("an unknown virtual host", s => s.TryAsync(() => s.ConnectAsync(f => f.VirtualHost = "none"))),
        new("what is negotiated", s =>
        {
            s.Note($"{s.Connection.ChannelMax} {s.Connection.FrameMax} {s.Connection.Heartbeat}");
            return Task.CompletedTask;
        }),
        new("a small frame size", async s =>
        {
            IConnection c = await s.ConnectAsync(f => f.RequestedFrameMax = 4096);
            s.Note(c.FrameMax);
            await using IChannel channel = await c.CreateChannelAsync();
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, new string('y', 10_000), channel: channel);
            await s.UntilCountAsync(1);
            s.Note((await channel.BasicGetAsync(s.Q, true))!.Body.Length);
        }),
        new("a frame size below the smallest", s => s.TryAsync(() => s.ConnectAsync(f => f.RequestedFrameMax = 1000))),
        new("capabilities", s =>
        {
            foreach ((
                string name,
                object? value) in ((IDictionary<string, object?>)s.Connection.ServerProperties!["capabilities"]!)
                    .OrderBy(c => c.Key, StringComparer.Ordinal))
                s.Note($"{name} {value}");
            return Task.CompletedTask;
        }),
        new("product and version", s =>
        {
            foreach (string name in new[] { "product", "version" })
                s.Note(Encoding.UTF8.GetString((byte[])s.Connection.ServerProperties![name]!));
            return Task.CompletedTask;
        }) { TellsVersions = true },
        new("channel numbers", async s =>
        {
            IChannel a = await s.NewChannelAsync(), b = await s.NewChannelAsync();
            s.Note($"{a.ChannelNumber} {b.ChannelNumber}");
        }),
        new("a channel's number is free again", async s =>
        {
            IChannel a = await s.NewChannelAsync();
            int n = a.ChannelNumber;
            await a.CloseAsync();
            IChannel b = await s.NewChannelAsync();
            s.Note(n == b.ChannelNumber);
        }),
        new("too many channels", s => s.TryAsync(async () =>
        {
            IConnection c = await s.ConnectAsync(f => f.RequestedChannelMax = 2);
            for (int i = 0; i < 3; i++) await c.CreateChannelAsync();
        })),
        new("one channel's error leaves the others", async s =>
        {
            await s.DeclareAsync();
            await s.ClosedByAsync(c => s.PublishAsync(s.X, "k", "m", channel: c));
            await s.PublishAsync("", s.Q, "m");
            await s.DrainAsync();
        }),
        new("a secret is updated", s => s.TryAsync(() => s.Connection.UpdateSecretAsync("new", "because"))),
        new("closing by the client", async s =>
        {
            IConnection c = await s.ConnectAsync();
            var why = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
            c.ConnectionShutdownAsync += (_, e) => Task.FromResult(why.TrySetResult(e));
            await c.CloseAsync(200, "bye");
            s.Note(Stage.Show(await why.Task.WaitAsync(Stage.Limit)));
        }),
        new("unicode names", async s =>
        {
            await s.DeclareAsync(s.Name("größe-数"));
            await s.PublishAsync("", s.Name("größe-数"), "ü");
            await s.DrainAsync(s.Name("größe-数"), got => Encoding.UTF8.GetString(got.Body.Span));
        }),
    ];
}
