using System.Net.Sockets;
using System.Text;
using ImageServer.Protocol;
using ImageServer.Server.Images;
using ImageServer.Tests.Support;
using ImageWorkers.Painting;
using SkiaSharp;

namespace ImageServer.Tests.WithBroker;

/// <summary>The server as a client sees it.</summary>
public sealed class ClientTests(Broker broker) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("image-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task An_existing_client_gets_byte_for_byte_what_the_protocol_says()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri, ("PATHS", _folder.FullName));
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", server.Port, TestContext.Current.CancellationToken);
        var stream = tcp.GetStream();

        await stream.WriteAsync("hello\rfiles"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("4f4b3a2041434b210d0a", await ReadAsync(10)); // OK: ACK! CR LF
        await stream.WriteAsync(new byte[] { 0x9B }, TestContext.Current.CancellationToken);
        Assert.Equal(
            "0104000201ff18000000" + Convert.ToHexStringLower("No image files available"u8), await ReadAsync(10 + 24));
        await stream.WriteAsync("gfx 17 video\n"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("0104001102" + "0600030000" + "000000", await ReadAsync(13));
        await ReadAsync(765);
        Assert.Equal("07002c0100", await ReadAsync(5));
        await ReadAsync(76_800);
        await stream.WriteAsync("gfx 2\nnext\nquit\n"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("01010002036022", await ReadAsync(7));
        await ReadAsync(8800);
        Assert.Equal(0, await stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken)); // and nothing else

        async Task<string> ReadAsync(int count)
        {
            byte[] bytes = new byte[count];
            await stream.ReadExactlyAsync(bytes, TestContext.Current.CancellationToken);
            return Convert.ToHexStringLower(bytes);
        }
    }

    [Theory]
    [InlineData("video\nhello\n", 8807 + 10)]
    [InlineData("gfx 4 video", 0)] // no line: it has no end
    [InlineData("gen a boat\nhello\nquit\n", 8807 + 10)]
    [InlineData("hello\ngen a boat\n", 10)] // it may be gone as well: no worker draws for it
    public async Task A_client_that_has_ended_its_side_gets_the_answers_that_it_may_still_want(string lines, int bytes)
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        if (bytes > 10) await server.StartWorkerAsync();
        await server.ReadyAsync();
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", server.Port, TestContext.Current.CancellationToken);
        NetworkStream stream = tcp.GetStream();
        await tcp.Client.SendAsync(Encoding.UTF8.GetBytes(lines), TestContext.Current.CancellationToken);
        tcp.Client.Shutdown(SocketShutdown.Send);

        using var answers = new MemoryStream();
        await stream.CopyToAsync(answers, TestContext.Current.CancellationToken);

        Assert.Equal(bytes, answers.Length);
        await Until.TrueAsync(() => server.State.Line.IsEmpty, "nothing waits for it");
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_now_is_shown_once_it_can()
    {
        Write("red.png", SKColors.Red);
        await using var server = await RunningServer.StartAsync(broker.Uri, ("PATHS", _folder.FullName));
        await Until.TrueAsync(() => server.State.Files.Length > 0, "the file is found");
        using var client = await server.ConnectAsync();

        string path = Path.Combine(_folder.FullName, "red.png");
        await using (File.Open(path, FileMode.Open, FileAccess.Read, FileShare.None))
            Assert.Equal("No image files available", await client.ErrorAsync("files"));
        await client.PictureAsync("files");
    }

    [Fact]
    public async Task Files_shows_a_file_of_the_folders_and_next_another_of_the_same_kind()
    {
        Write("red.png", SKColors.Red);
        Write("below/blue.png", SKColors.Blue);
        await File.WriteAllTextAsync(
            Path.Combine(_folder.FullName, "no-picture.png"), "text", TestContext.Current.CancellationToken);
        await using var server = await RunningServer.StartAsync(
            broker.Uri, ("PATHS", _folder.FullName), ("SCAN_SECONDS", "0.1"));
        await Until.TrueAsync(() => server.State.Files.Length > 0, "the files are found");
        using var client = await server.ConnectAsync();

        var colors = new HashSet<(
            int Red, int Green, int Blue)> { (await client.PictureAsync("gfx 17 files")).ColorAt(160, 120) };
        for (int i = 0; i < 40; i++)
            colors.Add((await client.PictureAsync("next")).ColorAt(160, 120));
        Assert.Equal([(0, 0, 255), (255, 0, 0)], colors.OrderBy(color => color.Red).ToArray());
        // What is no picture was tried once and dropped.
        await Until.TrueAsync(() => server.State.Files.Length == 2, "the pictures are left");

        Write("green.png", SKColors.Lime);
        await Until.TrueAsync(() => server.State.Files.Length == 3, "the new file is found");
    }

    [Fact]
    public async Task Links_that_leave_the_folders_and_files_that_never_end_are_not_shown()
    {
        var outside = Directory.CreateTempSubdirectory("image-outside-");
        try
        {
            File.WriteAllBytes(
                Path.Combine(outside.FullName, "secret.png"),
                Images.Encode(Images.Plain(8, 8, SKColors.Red), SKEncodedImageFormat.Png));
            File.CreateSymbolicLink(
                Path.Combine(_folder.FullName, "link.png"), Path.Combine(outside.FullName, "secret.png"));
            Directory.CreateSymbolicLink(Path.Combine(_folder.FullName, "linked"), outside.FullName);
            File.CreateSymbolicLink(Path.Combine(_folder.FullName, "endless.png"), "/dev/zero");
            Write("inside.png", SKColors.Blue);
            await using var server = await RunningServer.StartAsync(
                broker.Uri, ("PATHS", _folder.FullName), ("SCAN_SECONDS", "0.1"));
            await Until.TrueAsync(() => server.State.Files.Length > 0, "the file is found");
            Assert.Equal("inside.png", Path.GetFileName(Assert.Single(server.State.Files).Path));

            // A link that takes the place of a file after the look.
            File.Delete(Path.Combine(_folder.FullName, "inside.png"));
            File.CreateSymbolicLink(
                Path.Combine(_folder.FullName, "inside.png"), Path.Combine(outside.FullName, "secret.png"));
            using var client = await server.ConnectAsync();
            Assert.Equal("No image files available", await client.ErrorAsync("files"));
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_prompt_is_drawn_in_the_clients_mode_and_next_repeats_it_with_another_picture()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        using var client = await server.ConnectAsync();

        foreach (var mode in ModeFormat.Modes)
        {
            Assert.Equal(
                await ExpectedAsync("two cats", 0, mode),
                Wire.Picture(await client.PictureAsync($"gfx {(int)mode} gen two cats")));
            Assert.Equal(await ExpectedAsync("two cats", 1, mode), Wire.Picture(await client.PictureAsync("next")));
        }

        Assert.Equal("two cats", server.State.LastPrompt);
    }

    [Fact]
    public async Task Each_client_repeats_its_own_prompt_whatever_others_ask()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        using var one = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        await one.PictureAsync("gen a red circle");
        await other.PictureAsync("gen a blue square");
        Assert.Equal(
            await ExpectedAsync("a red circle", 1, GraphicsMode.Graphics8),
            Wire.Picture(await one.PictureAsync("next")));
        Assert.Equal(
            await ExpectedAsync("a blue square", 1, GraphicsMode.Graphics8),
            Wire.Picture(await other.PictureAsync("next")));
    }

    [Fact]
    public async Task A_search_finds_pictures_by_words_and_next_shows_the_others()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        using var client = await server.ConnectAsync();
        var found = new ImageWorkers.Searching.Catalogue(new Painter(), null).Find("boats");
        Assert.Equal(
            await ExpectedAsync(found[0].Title, 0, GraphicsMode.Vbxe256),
            Wire.Picture(await client.PictureAsync("gfx 17 search boats")));
        Assert.Equal(
            await ExpectedAsync(found[1].Title, 0, GraphicsMode.Vbxe256),
            Wire.Picture(await client.PictureAsync("next")));
        Assert.Equal("No images found", await client.ErrorAsync("search zeppelin"));
    }

    [Fact]
    public async Task What_cannot_be_done_is_answered_with_an_error_and_the_client_goes_on()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri, ("GEN_MODEL", "of-others"));
        await server.StartWorkerAsync();
        using var client = await server.ConnectAsync();
        Assert.Equal("No previous command to repeat", await client.ErrorAsync("next"));
        Assert.Equal("Graphics modes are 2, 4, 17, 18", await client.ErrorAsync("gfx 3"));
        Assert.Equal("What of? Say it in words", await client.ErrorAsync("gen"));
        Assert.Equal("There is no model of-others", await client.ErrorAsync("gen a boat"));
        Assert.Equal("showurl needs an address", await client.ErrorAsync("showurl boat"));
        Assert.Equal("ACK!", await client.MessageAsync("what"));
        await Until.TrueAsync(() => server.State.Line.IsEmpty, "nothing is left of its request");
        Assert.Equal("not in line", await client.MessageAsync("place"));
    }

    [Fact]
    public async Task Commands_sent_at_once_are_answered_in_their_order_each_in_one_piece()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        using var client = await server.ConnectAsync();
        foreach (string line in (string[])["gfx 2 gen a boat", "hello", "gfx 4 video", "gfx 18 next files", "quit"])
            await client.SendAsync(line, TestContext.Current.CancellationToken);
        var answers = new List<string>();
        for (int i = 0; i < 5; i++)
            answers.Add(await client.ReadAsync(TestContext.Current.CancellationToken) switch
            {
                ReceivedAnswer.Picture picture => picture.Content.Mode.ToString(),
                ReceivedAnswer.Message message => message.Text,
                ReceivedAnswer.Error error => error.Text,
                _ => "?",
            });
        Assert.Equal(["Graphics8", "ACK!", "Graphics9", "Vbxe16", "No image files available"], answers);
        await Assert.ThrowsAsync<EndOfStreamException>(() => client.ReadAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_page_shows_the_state_and_the_last_pictures()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        using var client = await server.ConnectAsync();
        await client.PictureAsync("gfx 18 video");
        await Until.TrueAsync(() => server.State.PicturesShown == 1, "the picture is noted");

        using var http = new HttpClient { BaseAddress = new Uri(server.PageAddress) };
        string state = await http.GetStringAsync("/api/state", TestContext.Current.CancellationToken);
        Assert.Contains("\"connections\":1", state, StringComparison.Ordinal);
        using var png = SKBitmap.Decode(
            await http.GetByteArrayAsync("/pictures/1.png", TestContext.Current.CancellationToken));
        Assert.Equal((640, 480), (png.Width, png.Height));
        Assert.Equal(
            System.Net.HttpStatusCode.NotFound,
            (await http.GetAsync("/pictures/2.png", TestContext.Current.CancellationToken)).StatusCode);
        Assert.Contains(
            "<title>Image server</title>", await http.GetStringAsync("/", TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    private static async Task<byte[]> ExpectedAsync(string prompt, int seed, GraphicsMode mode)
    {
        using var bitmap = SKBitmap.Decode((await new Painter().DrawAsync(prompt, seed, CancellationToken.None)).Span);
        return Wire.Picture(ImageConverter.Convert(bitmap, mode));
    }

    private void Write(string name, SKColor color)
    {
        string path = Path.Combine(_folder.FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var plain = Images.Plain(32, 24, color);
        File.WriteAllBytes(path, Images.Encode(plain, SKEncodedImageFormat.Png));
    }
}
