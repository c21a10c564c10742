namespace ImageServer.Server.State;

/// <summary>Where a client's pictures come from: what <c>next</c> goes on with.</summary>
internal abstract record Source
{
    private Source()
    {
    }

    /// <summary>What a person would call it.</summary>
    public abstract string Title { get; }

    /// <summary>What <c>next</c> shows after this.</summary>
    public virtual Source Next => this;

    /// <summary>The files of the folders, at random.</summary>
    public sealed record Files : Source
    {
        public override string Title => "files";
    }

    /// <summary>The moving test picture, or a camera.</summary>
    public sealed record Video : Source
    {
        public override string Title => "video";
    }

    /// <summary>A picture elsewhere.</summary>
    public sealed record Url(string Address) : Source
    {
        public override string Title => $"showurl {Address}";
    }

    /// <summary>What a search found, one after the other.</summary>
    public sealed record Search(string Words, int Number) : Source
    {
        public override string Title => $"search {Words}";

        public override Source Next => this with { Number = Number + 1 };
    }

    /// <summary>A prompt. Each seed gives another picture of it.</summary>
    public sealed record Generate(string Prompt, int Seed) : Source
    {
        public override string Title => $"gen {Prompt}";

        public override Source Next => this with { Seed = Seed + 1 };
    }
}
